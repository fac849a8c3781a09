"""cluster: what one agent replica knows of its cluster, and the one place where it changes.

Inputs come from the hub, discovery and wardens, each by its own method; what follows from them is settled in one go,
at most every 10 ms, and everyone who waits is woken. One event loop, so nothing here needs a lock.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from gateway.agent.acks import Sighting, heard, next_change, unheard
from gateway.agent.discovery import Found
from gateway.agent.discovery.answers import Sight
from gateway.agent.images import remembered
from gateway.agent.inventory import Workload
from gateway.agent.managed import Managed
from gateway.agent.offers import Mesh, Refused
from gateway.agent.plans import PROXYLESS
from gateway.agent.proxied import Arriving, Proxied, also, arrived, remaining
from gateway.agent.proxyless import lacking
from gateway.agent.settling import Settled, settle
from gateway.agent.state import trusting
from gateway.agent.world import Place, World
from gateway.edge.lines import line
from gateway.proto import link_pb2 as link
from gateway.proto.host_pb2 import ProxyReport
from isthmus.ir.found import Discovery

COALESCE_SECONDS = 0.01
LOG = logging.getLogger("isthmus.agent")


class Cluster:
    """The inputs, `settled`, and who waits for it to change. `said`: the summaries of a former life, by mesh."""

    def __init__(self, world: World, said: Mapping[str, link.Summary], clock: Callable[[], float] = time.time) -> None:
        self._world, self._said, self._clock = world, said, clock
        self._sightings: dict[str, Sighting] = {}
        self._sessions: set[int] = set()
        self._session = 0
        self._looked = False
        self._dirty = asyncio.Event()
        self._waiting: set[asyncio.Event] = set()
        self.settled = Settled()
        self._resettle()

    @property
    def world(self) -> World:
        """The inputs as they are now; `settled` may be some milliseconds behind."""
        return self._world

    @property
    def wardens(self) -> int:
        """Hosts whose wardens are connected here."""
        return len(self._sessions)

    @property
    def proxies(self) -> int:
        """Envoys connected to those wardens."""
        return sum(s.connected for s in self._sightings.values())

    def own_roots(self) -> tuple[bytes, ...]:
        """The roots of our own trust domain, as PEM: what wardens of this cluster chain to."""
        return self._world.trust.get(self._world.place.trust_domain, ())

    # what the hub says

    def check(self, mesh: Mesh) -> None:
        """Refused if nothing can be composed from an offer; nothing is changed."""
        trial = replace(self._world, meshes={**self._world.meshes, mesh.position.mesh: mesh})
        try:
            settle(trial, self._sightings, self.settled, self._said, self._clock())
        except Exception as error:
            LOG.exception(line("offer_breaks", mesh=mesh.position.mesh, version=mesh.position.version))
            raise Refused("", f"nothing can be composed from it: {error!r}") from error

    def offered(self, mesh: Mesh) -> None:
        """Have a mesh as offered."""
        self._change(meshes={**self._world.meshes, mesh.position.mesh: mesh})

    def withdrawn(self, mesh: str) -> None:
        """Have nothing of a mesh any more."""
        meshes = {m: held for m, held in self._world.meshes.items() if m != mesh}
        self._change(meshes=meshes, imports={m: i for m, i in self._world.imports.items() if m != mesh})

    def imported(self, imports: link.Imports) -> None:
        """Know the other clusters of a mesh."""
        self._change(imports={**self._world.imports, imports.position.mesh: imports})

    def trusted(self, trust: link.Trust) -> None:
        """Have these bundles."""
        self._world = trusting(self._world, trust)
        self._dirty.set()

    def certified(self, certificates: link.Certificates) -> None:
        """Have these managed certificates and authorities, and no others."""
        self._change(managed=Managed.of(certificates))

    def placed(self, place: Place) -> None:
        """Know where and who we are."""
        self._change(place=place)

    # what discovery says

    def found(self, found: Found) -> None:
        """Have what discovery sees now; from the first look all follows at once.

        Wardens are let in after it, and one that is told of a world before it would forget its proxies.
        """
        self._change(found=found, proxied=remaining(self._world.proxied, found))
        if not self._looked:
            self._looked = True
            self._resettle()

    def remembered(self, proxied: Proxied) -> Arriving:
        """Believe what is kept now of instances that have a proxy, but of none that has gone; what of it is new."""
        listed, before = {instance.name for instance in self._world.found.instances}, self._world.proxied
        now = also(before, {name: ports for name, ports in proxied.items() if name in listed})
        arriving = arrived(before, now)
        self._change(proxied=now, arriving={**self._world.arriving, **arriving})
        return arriving

    def settled_in(self, arriving: Arriving) -> None:
        """Callers have had the time to ask these whether they are well."""
        left = {name: ports for name, ports in self._world.arriving.items() if arriving.get(name) != ports}
        self._change(arriving=left)

    def resolved(self, sights: Mapping[Discovery, Sight]) -> None:
        """Have what nodes' own service discovery says now."""
        self._change(resolved=sights)

    # what wardens say

    @contextmanager
    def session(self) -> Iterator[int]:
        """A warden's stream, while it lasts."""
        self._session += 1
        number = self._session
        self._sessions.add(number)
        try:
            yield number
        finally:
            self._sessions.discard(number)
            self._unheard(number)

    def reported(self, session: int, report: ProxyReport) -> None:
        """A warden speaks of one of its proxies; the caller has checked that it is one of its own."""
        name, before = report.proxy, self._sightings.get(report.proxy)
        target, ledger = self.settled.target(name), self.settled.ledger
        self._sightings[name] = heard(before, report, target, ledger, session, self._clock())
        self._dirty.set()

    # what App Mesh's image says

    @contextmanager
    def image(self, workload: Workload, envoy: str) -> Iterator[int]:
        """An image's stream, while it lasts: reported under the number. `envoy` is its version."""
        self._session += 1
        number, name = self._session, workload.instance.name
        if self._world.images.get(name) != workload:
            self._change(images={**self._world.images, name: workload})
        self.reported(number, ProxyReport(proxy=name, connected=True, envoy=envoy))
        try:
            yield number
        finally:
            self._unheard(number, name)

    def _unheard(self, session: int, *only: str) -> None:
        for name in only or tuple(self._sightings):
            seen = self._sightings.get(name)
            if seen and seen.session == session:
                target = self.settled.target(name)
                self._sightings[name] = unheard(seen, target, self.settled.ledger, self._clock())
        self._dirty.set()

    # what follows

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever `settled` has changed, and at first."""
        event = asyncio.Event()
        event.set()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)

    async def run(self) -> None:
        """Settle whatever changes, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(next_change(self._sightings.values(), self._clock())):
                    await self._dirty.wait()
            except TimeoutError:
                pass
            self._dirty.clear()
            self._resettle()
            for event in self._waiting:
                event.set()
            await asyncio.sleep(COALESCE_SECONDS)

    def _change(self, **inputs: object) -> None:
        self._world = replace(self._world, **inputs)  # type: ignore[arg-type]  # our own fields, by name
        self._dirty.set()

    def _resettle(self) -> None:
        """A composition that fails is our bug; what was settled before goes on being served."""
        before = self.settled
        try:
            self.settled = settle(self._world, self._sightings, before, self._said, self._clock())
        except Exception:
            LOG.exception(line("settling_failed"))
            return
        self._forget()
        self._report(before)

    def _forget(self) -> None:
        """Proxies that are no longer ours and no longer connected."""
        plans = self.settled.composition.plans
        if len(images := remembered(self._world.images, self._sightings, self._clock())) < len(self._world.images):
            self._change(images=images)
        self._sightings = {n: s for n, s in self._sightings.items() if n in plans or s.connected}

    def _report(self, before: Settled) -> None:
        now, was = self.settled.composition.left_out, before.composition.left_out
        for name, why in now.items():
            if was.get(name) != why:
                LOG.warning(line("left_out", name=name, why=why))
        for name, withheld in self.settled.composition.waiting.items():
            if before.composition.waiting.get(name) != withheld:
                LOG.warning(line("withheld", name=name, without="managed certificate", what=",".join(withheld)))
        for name in sorted(self.settled.without_six - before.without_six):
            LOG.warning(line("without_ipv6", name=name, what="names and services' own addresses are IPv4 alone"))
        for plan in lacking(self.settled.composition.plans, before.composition.plans):
            event = "not_done_by_grpc" if plan.state.role == PROXYLESS else "not_bound"
            LOG.warning(line(event, name=plan.state.proxy, what="; ".join(plan.lacks)))
