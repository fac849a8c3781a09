"""acks: how many proxies have taken what they were offered, from what their wardens report.

Counts per (mesh, view, view version); names only for those that are behind or refuse (design-notes 19). What a proxy
acks is its *definition*: the view made local to its instance. Several definitions may prove one view version (an
address changed, a backend of the gateway came), so a ledger says what each of them proves.

A proxy that goes before it acked is a straggler for a few seconds, because wardens and Envoys restart, and is lost
after that: a push that kills Envoys must not pass because the dead are no longer counted (contracts.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gateway.proto import host_pb2 as host
from gateway.proto import link_pb2 as link
from isthmus.xds.snapshot import Ref
from isthmus.xds.unbindable import is_unbindable

LOST_AFTER = 5.0
"""Seconds that a proxy may be away before it counts as lost."""


class ViewVersion(NamedTuple):
    """One content of one view of one mesh (by id)."""

    mesh: str
    view: str
    version: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What the ACK of a definition proves.

    `picks`: the SNIs that a gateway with this definition has backends for. `ports`: where a node's proxy with it takes
    what comes for its application, (listener port, inbound port) each.
    """

    views: frozenset[ViewVersion] = frozenset()
    picks: frozenset[str] = frozenset()
    ports: frozenset[tuple[int, int]] = frozenset()


NOTHING_PROVEN = Proof()


@dataclass(frozen=True, slots=True)
class Target:
    """What a proxy is to have, as far as counting goes. `proven`: what its ACK speaks of."""

    definition: str
    proof: Proof
    proven: frozenset[Ref] = frozenset()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of a proxy. `watched`: its warden's stream is open; `since`: when `connected` last changed.

    `owed`: what it was to ack and had not when it went. `session`: which stream said so.
    """

    session: int
    watched: bool = True
    connected: bool = False
    envoy: str = ""
    acked: str = ""
    acked_at: float = 0.0
    nacks: tuple[host.ProxyNack, ...] = ()
    since: float = 0.0
    owed: frozenset[ViewVersion] = field(default=frozenset())


Ledger = Mapping[str, Proof]
"""Definition → what it proves."""


def heard(
    before: Sighting | None, report: host.ProxyReport, target: Target | None, ledger: Ledger, session: int, now: float
) -> Sighting:
    """A proxy after a report; `now` in epoch seconds."""
    was = before.connected if before else False
    since = before.since if before and was == report.connected else now
    owed = frozenset[ViewVersion]()
    if not report.connected and before:
        owed = _owed(before, target, ledger) if was else before.owed
    return Sighting(
        session=session,
        connected=report.connected,
        envoy=report.envoy,
        acked=report.acked,
        acked_at=report.acked_at,
        nacks=tuple(report.nacks),
        since=since,
        owed=owed,
    )


def unheard(before: Sighting, target: Target | None, ledger: Ledger, now: float) -> Sighting:
    """A proxy whose warden's stream ended: nothing is known of it, so it is counted as if it had gone."""
    if not before.connected:
        return replace(before, watched=False)
    owed = _owed(before, target, ledger)
    return replace(before, watched=False, connected=False, since=now, owed=owed)


def _owed(before: Sighting, target: Target | None, ledger: Ledger) -> frozenset[ViewVersion]:
    return target.proof.views - ledger.get(before.acked, NOTHING_PROVEN).views if target else frozenset()


@dataclass(slots=True)
class _Tally:
    connected: int = 0
    acked: int = 0
    lost: int = 0
    stragglers: list[str] = field(default_factory=list)
    nacks: list[link.Nack] = field(default_factory=list)
    last_ack: float = 0.0


Counts = Mapping[tuple[str, str], link.ViewAcks]
"""(mesh, view) → what is to be said of it."""


def count(
    wanted: Mapping[ViewVersion, link.Position],
    targets: Mapping[str, Target],
    sightings: Mapping[str, Sighting],
    ledger: Ledger,
    now: float,
) -> Counts:
    """Counts of every wanted view version; `wanted` gives the position of the manifest that it comes from."""
    tallies = {each: _Tally() for each in wanted}
    for proxy, target in sorted(targets.items()):
        seen = sightings.get(proxy)
        if seen:
            for each in target.proof.views & tallies.keys():
                _add(tallies[each], each, proxy, target, seen, ledger, now)
    return {(each.mesh, each.view): _said(each, wanted[each], tally) for each, tally in tallies.items()}


def _add(
    tally: _Tally, of: ViewVersion, proxy: str, target: Target, seen: Sighting, ledger: Ledger, now: float
) -> None:
    if not seen.connected:
        if of in seen.owed:
            away = now - seen.since >= LOST_AFTER
            tally.lost += away
            tally.connected += not away
            tally.stragglers += [] if away else [proxy]
        return
    tally.connected += 1
    if of in ledger.get(seen.acked, NOTHING_PROVEN).views:
        tally.acked += 1
        tally.last_ack = max(tally.last_ack, seen.acked_at)
    else:
        tally.stragglers.append(proxy)
    tally.nacks += _nacks(of, proxy, target, seen)


def _nacks(of: ViewVersion, proxy: str, target: Target, seen: Sighting) -> Iterable[link.Nack]:
    """Refusals of what the proxy is to have now: of an older version they are history, of endpoints no revision's.

    What a host does not let its proxy bind is that host's fault (`isthmus.xds.unbindable`): the agent's log tells it.
    A gateway serves several meshes: a refusal that names one of them is that mesh's, any other is everybody's.
    """
    labels = {_label(each.view) for each in target.proof.views}
    for nack in (each for each in seen.nacks if not is_unbindable(each.type, each.name, each.message)):
        named = {label for label in labels if label in nack.name} if len(labels) > 1 else labels
        if Ref(nack.type, nack.name, nack.version) in target.proven and _label(of.view) in (named or labels):
            yield link.Nack(proxy=proxy, type=nack.type, name=nack.name, version=nack.version, message=nack.message)


def _label(view: str) -> str:
    """What a view's id says between role and minor: for `east-west` the mesh's label."""
    return view.partition("/")[2].rpartition("@")[0]


def _said(of: ViewVersion, position: link.Position, tally: _Tally) -> link.ViewAcks:
    return link.ViewAcks(
        mesh=of.mesh,
        manifest=position.version,
        generation=position.generation,
        view=of.view,
        version=of.version,
        connected=tally.connected,
        acked=tally.acked,
        lost=tally.lost,
        stragglers=tally.stragglers,
        nacks=tally.nacks,
        last_ack=tally.last_ack,
    )


def next_change(sightings: Iterable[Sighting], now: float) -> float | None:
    """When time alone changes the counts: a proxy that is away becomes lost. Seconds from now; None if never."""
    due = [s.since + LOST_AFTER - now for s in sightings if not s.connected]
    return min((d for d in due if d > 0), default=None)
