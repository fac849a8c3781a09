"""summary: what this cluster tells of one mesh: gateways, the slots that can be reached through them, and plaintext.

A slot is exported only when every gateway that is announced has acked the backend for it: the other cluster's client
picks a gateway by itself. What is not seen is not gone: while a gateway's warden is out of sight, or a gateway has just
come back, what was said of it before stands, because withdrawing a cluster's exports for a restart of ours would be the
outage (design §7). A replica that sees no gateway of its cluster says nothing: the one that does will.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.agent.acks import LOST_AFTER, Ledger, Sighting
from gateway.agent.discovery import Gateway
from gateway.agent.offers import Mesh
from gateway.proto import link_pb2 as link
from isthmus.wire import Sni, accepted
from isthmus.xds.endpoints import Here, LocalInstance, slots_of

SLOT_CAP = 50
"""Slots of a node that are announced singly; beyond it the others use the `any` address (design §9)."""


class Sight(Enum):
    """What is known of a gateway besides what it has acked."""

    UNSEEN = "no warden speaks of it"
    HELD = "it has just changed: what was said before stands"
    OUT = "it is away, or has taken nothing"


Reach = frozenset[str] | Sight
"""The SNIs that a gateway has backends for, or why that is not known."""


def reach(sighting: Sighting | None, ledger: Ledger, now: float) -> Reach:
    """How far a gateway reaches. An acked definition that is older than our memory proves something: it holds."""
    if sighting is None or not sighting.watched:
        return Sight.UNSEEN
    if sighting.connected and sighting.acked:
        proof = ledger.get(sighting.acked)
        return Sight.HELD if proof is None else proof.picks
    return Sight.HELD if now - sighting.since < LOST_AFTER else Sight.OUT


@dataclass(frozen=True, slots=True)
class _Before:
    """What was announced last: gateway addresses, and (slot, port)."""

    gateways: frozenset[str]
    slots: frozenset[tuple[str, int]]


def summarise(
    mesh: Mesh,
    instances: Sequence[LocalInstance],
    here: Here,
    gateways: Mapping[Gateway, Reach],
    before: link.Summary,
    plaintext: Iterable[link.Plaintext] = (),
    resolved: Iterable[link.Resolved] = (),
) -> link.Summary | None:
    """What is to be said now, with the generation after `before`'s if it differs; None for nothing.

    `resolved`: what is known of nodes that nobody has bound; said beside the exports, of which it is none.
    """
    if gateways and all(seen is Sight.UNSEEN for seen in gateways.values()):
        return None
    said = _said(before)
    announced = {g: seen for g, seen in gateways.items() if _announced(g, seen, said)}
    out = link.Summary(mesh=before.mesh, generation=before.generation)
    out.bound.extend(sorted({instance.node for instance in instances}))
    out.resolved.extend(resolved)
    out.gateways.extend(sorted({address for g in announced for address in g.addresses}))
    if announced:
        out.nodes.extend(_nodes(mesh, instances, here, list(announced.values()), said))
    out.plaintext.extend(plaintext)
    if out != before or not out.generation:
        out.generation += 1
    return out


def _said(before: link.Summary) -> _Before:
    slots = frozenset((slot.slot, port) for node in before.nodes for slot in node.slots for port in slot.ports)
    return _Before(frozenset(before.gateways), slots)


def _announced(gateway: Gateway, seen: Reach, said: _Before) -> bool:
    if isinstance(seen, Sight):
        return seen is not Sight.OUT and said.gateways.issuperset(gateway.addresses)
    return True


def _nodes(
    mesh: Mesh, instances: Sequence[LocalInstance], here: Here, reaches: Sequence[Reach], said: _Before
) -> Iterator[link.Exported]:
    suffix = mesh.directory.facts.suffix
    slots: dict[str, dict[str, link.Slot]] = {}
    for sni, instance in slots_of(instances, mesh.directory, here):
        if all(_reached(sni, suffix, seen, said) for seen in reaches):
            of_node = slots.setdefault(instance.node, {})
            slot = of_node.setdefault(sni.slot, _slot(sni.slot, instance))
            slot.ports.append(sni.port)
    for node in sorted(slots):
        listed = [slots[node][slot] for slot in sorted(slots[node])]
        yield link.Exported(node=node, slots=listed[:SLOT_CAP], count=len(listed))


def _reached(sni: Sni, suffix: str, seen: Reach, said: _Before) -> bool:
    """By every name that others may use, or some would ask in vain."""
    if isinstance(seen, Sight):
        return (sni.slot, sni.port) in said.slots
    return seen.issuperset(sni.text(suffix, version) for version in accepted())


def _slot(slot: str, instance: LocalInstance) -> link.Slot:
    return link.Slot(slot=slot, zone=instance.zone, health=instance.health, weight=instance.weight)
