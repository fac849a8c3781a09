"""explained: what an SNI asks for, in the tenant's words: the wire contract's reverse table (design §9).

Ids are hashes, so they are read by making them again: services and the mesh from the snapshot's `agent` view, instances
from the names that whoever asks has, because instances are in no snapshot.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from isthmus.values import ANY, slot_id
from isthmus.wire import Sni
from isthmus.xds.directory import Directory


@dataclass(frozen=True, slots=True)
class Asked:
    """`node` is empty for one that this cluster neither runs nor calls, `protocol` for a port that it does not have.

    `instance` is empty where any will do, and where none of the names that were given has that slot.
    """

    mesh: str
    node: str
    port: int
    protocol: str
    slot: str
    instance: str = ""


def explained(text: str, directory: Directory, cluster: UUID, instances: Iterable[str] = ()) -> Asked:
    """What is asked for of the gateways of a cluster; ValueError, with words for people, for what this mesh never says.

    Case does not matter, as it does not to Envoy.
    """
    sni = Sni.parse(text.lower(), directory.facts.suffix)
    if sni.mesh != directory.facts.label:
        raise ValueError(f"{text!r} asks for another mesh than {directory.facts.name}")
    node = _node(sni, directory)
    slots = {slot_id(cluster, directory.facts.id, node, name): name for name in instances if node}
    instance = "" if sni.slot == ANY else slots.get(sni.slot, "")
    return Asked(directory.facts.name, node, sni.port, _protocol(node, sni.port, directory), sni.slot, instance)


def _node(sni: Sni, directory: Directory) -> str:
    """Of those that run here, else of those that are called from here."""
    here = (name for name, facts in directory.nodes.items() if facts.service == sni.service)
    called = (backend.node for backend in directory.backends.values() if backend.service == sni.service)
    return next(here, "") or next(called, "")


def _protocol(node: str, port: int, directory: Directory) -> str:
    facts = directory.nodes.get(node)
    here = (protocol for listener, protocol in facts.ports if listener == port) if facts else iter(())
    called = (b.protocol for b in directory.backends.values() if (b.node, b.port) == (node, port))
    return next(here, "") or next(called, "")
