"""discovery: how a node's instances are found where no cluster has bound ones (design §7).

App Mesh's clients resolved names as absolute ones, and preferred IPv6 where nobody said otherwise (appmesh.md §3.5).
What is found so has no proxy, so it is called in plaintext, which only a permissive transport allows.
"""

from collections.abc import Iterator

from isthmus.ir.found import CloudMap, Discovery, Dns
from isthmus.ir.mesh import Ineffective
from isthmus.ir.said import Said
from isthmus.model.key import Key
from isthmus.model.kinds.mesh import IpPreference, MeshSpec
from isthmus.model.kinds.virtual_node import DnsServiceDiscovery, VirtualNodeSpec

FAMILIES: dict[IpPreference | None, tuple[int, ...]] = {
    None: (6, 4),
    "IPv6_PREFERRED": (6, 4),
    "IPv4_PREFERRED": (4, 6),
    "IPv4_ONLY": (4,),
    "IPv6_ONLY": (6,),
}

NO_NAME = "DNS has no such name: its labels are 1 to 63 characters long, so only bound instances are called"
STRICT = (
    "what is found so has no proxy before it, and the node's transport is strict: only bound instances with a proxy"
    " are called"
)


def discovery(spec: VirtualNodeSpec, mesh: MeshSpec) -> Discovery | None:
    """What is asked for a node's instances; None if it says nothing that can be asked."""
    if spec.service_discovery is None:
        return None
    said = spec.service_discovery.chosen[1]
    families = _families(said.ip_preference, mesh)
    if isinstance(said, DnsServiceDiscovery):
        name = _absolute(said.hostname)
        return Dns(name, said.response_type != "ENDPOINTS", families) if name else None
    attributes = sorted((a.key, a.value) for a in said.attributes or ())
    return CloudMap(said.namespace_name, said.service_name, tuple(attributes), families)


def without_effect(node: str, spec: VirtualNodeSpec, said: Said) -> Iterator[Ineffective]:
    """What a node's service discovery says in vain."""
    if spec.service_discovery is None:
        return
    key, at = Key("VirtualNode", node), "/spec/serviceDiscovery"
    if not said.permissive(node):
        yield Ineffective(key, at, STRICT)
    elif discovery(spec, said.spec) is None:
        yield Ineffective(key, f"{at}/dns/hostname", NO_NAME)


def _families(node: IpPreference | None, mesh: MeshSpec) -> tuple[int, ...]:
    """The node's own preference, else the mesh's."""
    everywhere = mesh.service_discovery.ip_preference if mesh.service_discovery is not None else None
    return FAMILIES[node if node is not None else everywhere]


def _absolute(hostname: str) -> str:
    """The name as DNS spells it (RFC 3490 for what is not ASCII); empty if it cannot be asked for."""
    try:
        return hostname.rstrip(".").encode("idna").decode()
    except UnicodeError:
        return ""
