"""settling: everything that follows from what the agent knows, computed in one go, so that all of it agrees.

A heartbeat must not say that an offer is applied before its proxies are counted, and a summary must not name a slot
whose backend belongs to a composition that the wardens have not been given. So what is said upwards and downwards comes
from one value, made from one world and one set of sightings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.agent.acks import Counts, Ledger, Proof, Sighting, Target, ViewVersion, count
from gateway.agent.compose import Composition, compose
from gateway.agent.own_hosts import said_without_six
from gateway.agent.plaintext import pairs
from gateway.agent.plans import Plan
from gateway.agent.proxied import Proxied, seen
from gateway.agent.summary import reach, summarise
from gateway.agent.unbound import said as said_of
from gateway.agent.world import World
from gateway.proto import link_pb2 as link


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows. `hosts`: host → its plans by proxy; `summaries`: by mesh, only those that we have a say in.

    `proxied`: what the world knows of it, and what was seen since. `without_six`: who has said so since we started.
    """

    composition: Composition = field(default_factory=Composition)
    hosts: Mapping[str, tuple[Plan, ...]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    summaries: Mapping[str, link.Summary] = field(default_factory=dict)
    positions: tuple[link.Position, ...] = ()
    proxied: Proxied = field(default_factory=dict)
    without_six: frozenset[str] = frozenset()

    def target(self, proxy: str) -> Target | None:
        """What a proxy is to have; None if it is none of ours."""
        plan = self.composition.plans.get(proxy)
        return plan.target if plan else None


def settle(
    world: World,
    sightings: Mapping[str, Sighting],
    before: Settled,
    said: Mapping[str, link.Summary],
    now: float,
) -> Settled:
    """What follows now; `said` are the summaries of a former life, by mesh; `now` in epoch seconds."""
    minors = {proxy: _minor(s.envoy) for proxy, s in sightings.items() if s.envoy[:1].isdigit()}
    without_six = before.without_six | {proxy for proxy, seen in sightings.items() if said_without_six(seen)}
    running = replace(world, minors=minors, without_six=without_six)
    composition = compose(running, before.composition)
    targets = {proxy: plan.target for proxy, plan in composition.plans.items()}
    ledger = _ledger(targets, sightings, before.ledger)
    counts = count(_wanted(world), targets, sightings, ledger, now)
    summaries = _summaries(world, composition, sightings, ledger, {**said, **before.summaries}, before, now)
    proxied = seen(world.proxied, targets, sightings, ledger)
    lacking = without_six & composition.plans.keys()
    return Settled(composition, _hosts(composition), ledger, counts, summaries, world.positions(), proxied, lacking)


def _minor(version: str) -> str:
    """Of an Envoy's version; gRPC's own client says its name instead, and its instance may get an Envoy later."""
    return ".".join(version.split(".")[:2])


def _hosts(composition: Composition) -> Mapping[str, tuple[Plan, ...]]:
    hosts: dict[str, list[Plan]] = {}
    for _, plan in sorted(composition.plans.items()):
        hosts.setdefault(plan.host, []).append(plan)
    return {host: tuple(plans) for host, plans in hosts.items()}


def _ledger(targets: Mapping[str, Target], sightings: Mapping[str, Sighting], before: Ledger) -> Ledger:
    """What is to be acked now, and what some proxy still has."""
    out = {s.acked: before[s.acked] for s in sightings.values() if s.acked in before}
    current: dict[str, Proof] = {}
    for target in targets.values():
        held = current.get(target.definition, Proof())
        proof = target.proof
        current[target.definition] = Proof(held.views | proof.views, held.picks | proof.picks, held.ports | proof.ports)
    return {**out, **current}


def _wanted(world: World) -> Mapping[ViewVersion, link.Position]:
    return {
        ViewVersion(mesh, view, version): held.position
        for mesh, held in world.meshes.items()
        for view, version in held.versions.items()
    }


def _summaries(
    world: World,
    composition: Composition,
    sightings: Mapping[str, Sighting],
    ledger: Ledger,
    last: Mapping[str, link.Summary],
    before: Settled,
    now: float,
) -> Mapping[str, link.Summary]:
    gateways = {g: reach(sightings.get(g.name), ledger, now) for g in world.found.gateways}
    out = {}
    for mesh, held in world.meshes.items():
        shared, was = composition.shared[mesh], last.get(mesh, link.Summary(mesh=mesh))
        plaintext = pairs(mesh, composition.plans.values(), shared, composition.plain.get(mesh))
        resolved = said_of(shared.unbound, world.resolved)
        now_said = summarise(held, shared.local, world.place.here, gateways, was, plaintext, resolved)
        made = now_said or before.summaries.get(mesh)
        if made is not None:
            out[mesh] = made
    return out
