"""discovery: how a node's instances are found where no cluster has bound ones (design §7).

App Mesh's clients resolved names as absolute ones, and preferred IPv6 where nobody said otherwise (appmesh.md §3.5).
What is found so has no proxy, so it is called in plaintext, which only a permissive transport allows.
"""

from collections.abc import Iterator

from isthmus.ir.families import of_node
from isthmus.ir.found import CloudMap, Discovery, Dns
from isthmus.ir.mesh import Ineffective
from isthmus.ir.said import Said
from isthmus.model.key import Key
from isthmus.model.kinds.virtual_node import DnsServiceDiscovery, VirtualNodeSpec

UNSAID = (6, 4)
"""What is asked for where nobody says it: both, IPv6 first."""

NO_NAME = "DNS has no such name: its labels are 1 to 63 characters long, so only bound instances are called"
STRICT = (
    "what is found so has no proxy before it, and the node's transport is strict: only bound instances with a proxy"
    " are called"
)


def discovery(spec: VirtualNodeSpec, said: Said) -> Discovery | None:
    """What is asked for a node's instances; None if it says nothing that can be asked."""
    if spec.service_discovery is None:
        return None
    way = spec.service_discovery.chosen[1]
    families = of_node(spec, said) or UNSAID
    if isinstance(way, DnsServiceDiscovery):
        name = _absolute(way.hostname)
        return Dns(name, way.response_type != "ENDPOINTS", families) if name else None
    attributes = sorted((a.key, a.value) for a in way.attributes or ())
    return CloudMap(way.namespace_name, way.service_name, tuple(attributes), families)


def without_effect(node: str, spec: VirtualNodeSpec, said: Said) -> Iterator[Ineffective]:
    """What a node's service discovery says in vain."""
    if spec.service_discovery is None:
        return
    key, at = Key("VirtualNode", node), "/spec/serviceDiscovery"
    if not said.permissive(node):
        yield Ineffective(key, at, STRICT)
    elif discovery(spec, said) is None:
        yield Ineffective(key, f"{at}/dns/hostname", NO_NAME)


def _absolute(hostname: str) -> str:
    """The name as DNS spells it (RFC 3490 for what is not ASCII); empty if it cannot be asked for."""
    try:
        return hostname.rstrip(".").encode("idna").decode()
    except UnicodeError:
        return ""
