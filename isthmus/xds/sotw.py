"""sotw: one Envoy's state-of-the-world stream, which AWS's image speaks, as a translation of the delta one.

What to send, when, and what an answer proves is decided by `isthmus.xds.ads` alone; here it is only said in the older
dialect, whose rules are few but other:

* A response of clusters or listeners holds all that there are, because what it leaves out goes. So each step of the
  delta stream becomes the state before it plus or minus that step, and a refusal goes back to the state before it.
* Of the other types a response changes what it names and nothing else. Nothing of them can be taken away: endpoints
  that are asked for and not there are said to be what they were, or none.
* Of a type one response is on its way at a time. Envoy answers once for several while it warms clusters (it pauses
  CDS), and a refusal that may speak of any of them would refuse the innocent.
* Envoy says what it has as one version for the whole type. So what was told is kept by that version for the next stream
  (`held`): otherwise a reconnect would take away clusters before the routes that still use them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

from isthmus.xds import ads
from isthmus.xds.endpoints import nothing
from isthmus.xds.snapshot import TYPE_OF_URL, Ref, Type, digest
from isthmus.xds.subscription import WILDCARDS, Wanted

State = Mapping[str, Wanted]
Held = Mapping[tuple[Type, str], State]
"""What an Envoy may come back with: (type, version) → all that it has of it."""

_ALL = "*"


class _Flight(NamedTuple):
    """A response without an answer yet. `inner`: the delta stream's nonce; `state`: all that Envoy is told to have."""

    nonce: str
    inner: str
    version: str
    state: State


@dataclass(slots=True)
class _Said:
    """One type on one stream. `asked`: the names of the last request, None before the first; `state`: what it took."""

    asked: frozenset[str] | None = None
    wild: bool = False
    version: str = ""
    state: State = field(default_factory=dict)
    flight: _Flight | None = None

    def covers(self, name: str) -> bool:
        """Whether Envoy still wants to know of it."""
        return self.wild or name in (self.asked or ())


class Session:
    """One stream of one Envoy, used as `ads.Session` is. `held` is what the proxy's stream before this one left."""

    __slots__ = ("_held", "_inner", "_nonces", "_said", "_wanted")

    def __init__(self, minors: Iterable[str], held: Held | None = None) -> None:
        self._inner = ads.Session(minors, serial=True)
        self._held: Held = held or {}
        self._said = {kind: _Said() for kind in ads.ORDER}
        self._wanted: Mapping[tuple[Type, str], Wanted] = {}
        self._nonces = count(1)

    # --- what comes in

    def on_request(self, request: discovery_pb2.DiscoveryRequest) -> list[discovery_pb2.DiscoveryResponse]:
        """A request (subscription, ACK, NACK), and what to send now. UnknownEnvoy: close the stream and say so."""
        self.receive(request)
        return self.pending()

    def receive(self, request: discovery_pb2.DiscoveryRequest) -> None:
        """The first half of `on_request`: state only. A type that we do not serve is ignored."""
        delta = discovery_pb2.DeltaDiscoveryRequest(type_url=request.type_url)
        if request.HasField("node"):
            delta.node.CopyFrom(request.node)
        kind = TYPE_OF_URL.get(request.type_url)
        if kind is not None:
            self._answered(kind, request, delta)
            self._asked(kind, request, delta)
        self._inner.receive(delta)

    def _answered(
        self, kind: Type, request: discovery_pb2.DiscoveryRequest, delta: discovery_pb2.DeltaDiscoveryRequest
    ) -> None:
        """Any other nonce is an old one: of that request only the names count."""
        said = self._said[kind]
        flight = said.flight
        if flight is None or request.response_nonce != flight.nonce:
            return
        said.flight, delta.response_nonce = None, flight.inner
        if request.HasField("error_detail"):
            delta.error_detail.CopyFrom(request.error_detail)
        else:
            said.version, said.state = flight.version, {n: w for n, w in flight.state.items() if said.covers(n)}

    def _asked(
        self, kind: Type, request: discovery_pb2.DiscoveryRequest, delta: discovery_pb2.DeltaDiscoveryRequest
    ) -> None:
        """The names as what was added and what was dropped since the request before."""
        said, names = self._said[kind], frozenset(request.resource_names)
        if said.asked is None:
            said.wild = kind in WILDCARDS and (not names or _ALL in names)
            self._resume(kind, request.version_info, delta)
        before = said.asked or frozenset()
        added, dropped = names - before, set(before - names)
        if said.wild and names and _ALL not in names:
            said.wild = False  # it named none at first, which meant all, and names some now
            dropped.add(_ALL)
        said.asked = names
        delta.resource_names_subscribe.extend(sorted(added))
        delta.resource_names_unsubscribe.extend(sorted(dropped))

    def _resume(self, kind: Type, version: str, delta: discovery_pb2.DeltaDiscoveryRequest) -> None:
        said, state = self._said[kind], self._held.get((kind, version))
        if state is not None and said.wild:
            said.version, said.state = version, state
            for name, wanted in state.items():
                delta.initial_resource_versions[name] = wanted.version

    def update(self, resources: Mapping[tuple[Type, str], Wanted]) -> None:
        """What Envoy is to have from now on, all of it; `pending` says what that means for it."""
        self._wanted = resources
        self._inner.update(resources)

    # --- what goes out

    def pending(self) -> list[discovery_pb2.DiscoveryResponse]:
        """What to send now, in this order; it counts as sent."""
        return [self._respond(response) for response in self._inner.pending()]

    def _respond(self, step: discovery_pb2.DeltaDiscoveryResponse) -> discovery_pb2.DiscoveryResponse:
        """Bodies are ours and shared, not the copies in the message."""
        kind, said = TYPE_OF_URL[step.type_url], self._said[TYPE_OF_URL[step.type_url]]
        changes = {r.name: self._wanted[kind, r.name] for r in step.resources}
        if kind == Type.ENDPOINTS:
            changes |= {name: said.state.get(name) or _nothing(name) for name in step.removed_resources}
        state = {**said.state, **changes}
        if kind in WILDCARDS:
            changes = state = {n: w for n, w in state.items() if n not in step.removed_resources and said.covers(n)}
        if kind == Type.CLUSTER:
            self._repeat(step, state)
        said.flight = _Flight(str(next(self._nonces)), step.nonce, _version(changes), state)
        packed = [any_pb2.Any(type_url=step.type_url, value=wanted.body) for _, wanted in sorted(changes.items())]
        version, nonce = said.flight.version, said.flight.nonce
        return discovery_pb2.DiscoveryResponse(
            version_info=version, type_url=step.type_url, nonce=nonce, resources=packed
        )

    def _repeat(self, step: discovery_pb2.DeltaDiscoveryResponse, state: State) -> None:
        """What Envoy may have taken of a response that it refused goes back with this one, and warms."""
        sent = {resource.name for resource in step.resources}
        self._inner.owe_endpoints(
            n for kind, n in self._inner.doubts if kind == Type.CLUSTER and n in state.keys() - sent
        )

    # --- what is known

    @property
    def node(self) -> str:
        """Who Envoy says it is; empty before it has."""
        return self._inner.node

    @property
    def envoy(self) -> str:
        """Its version."""
        return self._inner.envoy

    @property
    def held(self) -> Held:
        """What the proxy's next stream is to be made with. An answer may be lost with the stream: both states count.

        A type of which nothing was accepted on this stream is as it was before it.
        """
        out: dict[tuple[Type, str], State] = {}
        for kind in WILDCARDS:
            said = self._said[kind]
            if not said.version:
                out |= {key: state for key, state in self._held.items() if key[0] == kind}
            out |= {(kind, each.version): each.state for each in (said, said.flight) if each and each.version}
        return out

    @property
    def nacks(self) -> tuple[ads.Nack, ...]:
        """The refusals that stand."""
        return self._inner.nacks

    def proven(self, expected: Iterable[Ref]) -> bool:
        """Whether Envoy has accepted each of these, and holds no cluster or listener that should be gone."""
        return self._inner.proven(expected)


def _nothing(name: str) -> Wanted:
    """How to say that there are no such endpoints: a cluster that nobody wants any more would warm for 15 s."""
    made = nothing(name)
    return Wanted(made.ref.version, made.body)


def _version(state: State) -> str:
    return digest(*(f"{name}={wanted.version}".encode() for name, wanted in sorted(state.items())))
