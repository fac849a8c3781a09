"""ads: one Envoy's aggregated discovery stream as a state machine without I/O: what it said, and what to tell it next.

Any transport can carry it: hand each request to `on_request` (or `receive`, then `pending` when there is room), call
`update` when the world has changed, and send what comes back in order. Order is what keeps requests from failing:

* A changed cluster warms until its endpoints come again, for which Envoy does not ask (envoy.md §5, trap 1: 15 s), so
  they follow in the same push. Endpoints have their cluster's name.
* What refers to a *new* cluster waits until Envoy has it: its ACK comes when it is warm. If Envoy refuses the cluster,
  what worked before stays in place; what never worked is sent, because the rest of it can.
* Things are taken away last: when all that was added is acknowledged, and clusters only when nothing was refused.
* Routes, endpoints, secrets and filters are never taken away by us: Envoy lets go of them with whatever refers to them.
  Told that they are gone it ignores us (RDS, SDS) or denies requests on connections that still drain (ECDS).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

from isthmus.errors import IsthmusError, Kind
from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Ref, Type
from isthmus.xds.subscription import WILDCARDS, Changes, Subscription, Wanted
from isthmus.xds.unbindable import of_these

ORDER = (Type.CLUSTER, Type.ENDPOINTS, Type.SECRET, Type.EXTENSION, Type.LISTENER, Type.ROUTES)
"""In which order things are added or changed (envoy.md §3)."""

_REFERRING = frozenset({Type.EXTENSION, Type.LISTENER, Type.ROUTES})
_SEVEN_BITS = 128


class UnknownEnvoy(IsthmusError):
    """An Envoy of a version that nothing here was made for: refused by name rather than given what it may misread."""

    kind = Kind.INVALID
    code = "envoy_not_served"


class Nack(NamedTuple):
    """A resource that Envoy refuses as it is now wanted, in Envoy's own words."""

    type: Type
    name: str
    version: str
    message: str


class _Flight(NamedTuple):
    """A response that is not answered yet."""

    kind: Type
    changes: Changes
    removed: Sequence[str]


class Session:
    """One stream of one Envoy. Until the first `update` nothing is answered: not knowing is not the same as nothing.

    `minors` are the Envoy minors (`1.40`) that what will be sent was made for; `doubts` what the stream before this one
    left unclear, because Envoy does not say what it took of a response that it refused. `serial`: of a type no response
    is sent before the one before it is answered.
    """

    __slots__ = ("_flights", "_minors", "_nonces", "_serial", "_types", "_wanted", "envoy", "node")

    def __init__(self, minors: Iterable[str], doubts: Iterable[tuple[Type, str]] = (), *, serial: bool = False) -> None:
        self.node = ""
        self.envoy = ""
        self._minors, self._serial = tuple(minors), serial
        self._types = {kind: Subscription(kind) for kind in ORDER}
        self._wanted: dict[Type, dict[str, Wanted]] | None = None
        self._flights: dict[str, _Flight] = {}
        self._nonces = count(1)
        for kind, name in doubts:
            self._types[kind].doubt([name])

    # --- what comes in

    def on_request(self, request: discovery_pb2.DeltaDiscoveryRequest) -> list[discovery_pb2.DeltaDiscoveryResponse]:
        """A request (subscription, ACK, NACK), and what to send now. UnknownEnvoy: close the stream and say so."""
        self.receive(request)
        return self.pending()

    def receive(self, request: discovery_pb2.DeltaDiscoveryRequest) -> None:
        """The first half of `on_request`: state only. A type that we do not serve is ignored."""
        if request.HasField("node"):
            self._meet(request.node)
        kind = TYPE_OF_URL.get(request.type_url)
        if kind is None:
            return
        if request.response_nonce:
            self._answered(request)
        self._types[kind].ask(
            request.resource_names_subscribe, request.resource_names_unsubscribe, request.initial_resource_versions
        )

    def _meet(self, node: base_pb2.Node) -> None:
        build = node.user_agent_build_version.version
        self.node, self.envoy = node.id, f"{build.major_number}.{build.minor_number}.{build.patch}"
        if f"{build.major_number}.{build.minor_number}" not in self._minors:
            raise UnknownEnvoy(f"Envoy {self.envoy} ({node.id}) is not served: this is made for {self._minors}")

    def _answered(self, request: discovery_pb2.DeltaDiscoveryRequest) -> None:
        flight = self._flights.pop(request.response_nonce, None)
        if flight is None:
            return
        subscription = self._types[flight.kind]
        if request.HasField("error_detail"):
            subscription.rejected(flight.changes, request.error_detail.message)
            subscription.prune(self._wanting(subscription))  # it may speak of what is wanted no longer
        else:
            subscription.accepted(flight.changes, flight.removed)

    def update(self, resources: Mapping[tuple[Type, str], Wanted]) -> None:
        """What Envoy is to have from now on, all of it; `pending` says what that means for it."""
        wanted: dict[Type, dict[str, Wanted]] = {kind: {} for kind in ORDER}
        for (kind, name), resource in resources.items():
            wanted[kind][name] = resource
        self._wanted = wanted
        for kind, subscription in self._types.items():
            subscription.prune(wanted[kind])

    def owe_endpoints(self, clusters: Iterable[str]) -> None:
        """The endpoints of these must come again, because a transport has sent them once more."""
        self._types[Type.ENDPOINTS].owe(clusters)

    # --- what goes out

    def pending(self) -> list[discovery_pb2.DeltaDiscoveryResponse]:
        """What to send now, in this order; it counts as sent."""
        if self._wanted is None:
            return []
        known = [s for kind in ORDER if (s := self._types[kind]).known]
        out = [response for s in known if self._free(s.kind) for response in self._additions(s)]
        return out + [response for subscription in reversed(known) for response in self._removals(subscription)]

    def _additions(self, subscription: Subscription) -> Iterator[discovery_pb2.DeltaDiscoveryResponse]:
        wanted = self._wanting(subscription)
        changed = subscription.changed(wanted)
        held = self._held_back(subscription, changed)
        for batch in self._batches(subscription, [n for n in changed if n not in held]):
            if subscription.kind == Type.CLUSTER:
                self._types[Type.ENDPOINTS].owe(batch)
            yield self._send(subscription, batch)
        if (unknown := subscription.unknown(wanted)) and self._free(subscription.kind):
            yield self._withdraw(subscription, unknown)
        if subscription.unanswered and not changed and self._free(subscription.kind):
            yield self._send(subscription, [])

    def _batches(self, subscription: Subscription, names: Sequence[str]) -> Sequence[Sequence[str]]:
        batches = subscription.batches(names)
        if self._serial:
            subscription.postpone(batches[1:])
        return batches[:1] if self._serial else batches

    def _free(self, kind: Type) -> bool:
        return not self._serial or all(flight.kind != kind for flight in self._flights.values())

    def _removals(self, subscription: Subscription) -> Iterator[discovery_pb2.DeltaDiscoveryResponse]:
        gone = subscription.gone(self._wanting(subscription))
        waits = self._serial or any(flight.changes for flight in self._flights.values())
        if gone and not (self._flights and waits) and not self._needed(subscription):
            yield self._withdraw(subscription, gone)

    def _needed(self, subscription: Subscription) -> bool:
        """Whether what Envoy keeps instead of something refused, unsent or not asked for yet may refer to a cluster."""
        if subscription.kind != Type.CLUSTER:
            return False
        others = [other for other in self._types.values() if self._wanting(other)]
        return any(
            other.refused.keys() - other.unbindable or other.changed(self._wanting(other))
            if other.known
            else other.kind in _REFERRING
            for other in others
        )

    def _held_back(self, subscription: Subscription, changed: Iterable[str]) -> set[str]:
        """What must not be sent yet because it refers to a cluster that Envoy does not have."""
        clusters = self._types[Type.CLUSTER]
        if subscription.kind not in _REFERRING or not clusters.known:
            return set()
        lacking = clusters.covered(self._wanting(clusters)) - clusters.acked.keys()
        coming = [_as_field(n) for n in lacking if n not in clusters.refused]
        refused = [_as_field(n) for n in lacking if n in clusters.refused]
        wanted = self._wanting(subscription)
        return {
            name
            for name in changed
            if any(other in wanted[name].body for other in (coming + refused if name in subscription.acked else coming))
        }

    def _wanting(self, subscription: Subscription) -> dict[str, Wanted]:
        assert self._wanted is not None
        return self._wanted[subscription.kind]

    def _send(self, subscription: Subscription, names: Sequence[str]) -> discovery_pb2.DeltaDiscoveryResponse:
        wanted = self._wanting(subscription)
        changes = [(n, wanted[n].version) for n in names]
        subscription.offered(changes)
        response = self._response(_Flight(subscription.kind, changes, ()))
        url = TYPE_URL[subscription.kind]
        for name in names:
            body = any_pb2.Any(type_url=url, value=wanted[name].body)
            response.resources.add(name=name, version=wanted[name].version, resource=body)
        return response

    def _withdraw(self, subscription: Subscription, names: Sequence[str]) -> discovery_pb2.DeltaDiscoveryResponse:
        subscription.withdrawn(names)
        response = self._response(_Flight(subscription.kind, (), names))
        response.removed_resources.extend(names)
        return response

    def _response(self, flight: _Flight) -> discovery_pb2.DeltaDiscoveryResponse:
        nonce = str(next(self._nonces))
        self._flights[nonce] = flight
        return discovery_pb2.DeltaDiscoveryResponse(type_url=TYPE_URL[flight.kind], nonce=nonce)

    # --- what is known

    @property
    def acked(self) -> dict[tuple[Type, str], str]:
        """What Envoy has accepted: (type, name) → version, what it brought along from an earlier stream included."""
        return {(kind, n): v for kind, s in self._types.items() for n, v in s.acked.items()}

    @property
    def doubts(self) -> frozenset[tuple[Type, str]]:
        """What the proxy's next stream is to be made with."""
        flights = {kind: [f.changes for f in self._flights.values() if f.kind == kind] for kind in ORDER}
        return frozenset((kind, n) for kind, s in self._types.items() for n in s.doubtful(flights[kind]))

    @property
    def nacks(self) -> tuple[Nack, ...]:
        """The refusals that stand: of what is still wanted as it was refused."""
        return tuple(Nack(k, n, *r) for k, s in self._types.items() for n, r in sorted(s.refused.items()))

    def proven(self, expected: Iterable[Ref]) -> bool:
        """Whether Envoy has accepted each of these, and holds no cluster or listener that should be gone.

        A listener that its host does not let it bind counts as accepted, and so does what is not asked for without it.
        """
        if self._wanted is None or not self._types[Type.CLUSTER].known:
            return False
        wild = [self._types[kind] for kind in WILDCARDS]
        leftovers = any(s.gone(self._wanting(s)) or s.acked.keys() - self._wanting(s) for s in wild)
        return not leftovers and all(
            self._types[Type(r.type)].has(r.name, r.version) or self._excused(r) for r in expected
        )

    def _excused(self, ref: Ref) -> bool:
        subscription, unbindable = self._types[Type(ref.type)], self._types[Type.LISTENER].unbindable
        if ref.type == Type.LISTENER:
            return ref.name in unbindable and subscription.refused[ref.name].version == ref.version
        return ref.name not in subscription.names and of_these(ref, unbindable)


def _as_field(name: str) -> bytes:
    """A name as protobuf writes it in a message: its length first, so `node/a/80` is not found in `node/a/8080`."""
    text = name.encode()
    length = len(text)
    prefix = [length] if length < _SEVEN_BITS else [length % _SEVEN_BITS + _SEVEN_BITS, length // _SEVEN_BITS]
    return bytes(prefix) + text
