"""proxyless_session: one ADS stream of gRPC's own client: state of the world, asked for by name.

Unlike Envoy it asks for every listener and cluster by its name and has no wildcard, says no version of itself, and
takes what is good of a response that it refuses (C-core names what it does not take). A response of listeners or
clusters must hold all that it has asked for, because what is left out is gone (`xds.config.resource-in-sotw`); of the
others it may hold what has changed. A cluster that is no longer wanted is left out only when the routes that may have
led to it are acknowledged. An application has a stream for each of its targets (gRFC A71), which knows nothing of the
others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

from isthmus.xds.ads import Nack
from isthmus.xds.endpoints import nothing
from isthmus.xds.proxyless import listened, renamed
from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Ref, Type, digest
from isthmus.xds.subscription import Refused, Wanted

ORDER = (Type.LISTENER, Type.ROUTES, Type.CLUSTER, Type.ENDPOINTS)
_WHOLE = frozenset({Type.LISTENER, Type.CLUSTER})
_LEADING = (Type.LISTENER, Type.ROUTES)

Changes = Mapping[str, Wanted]


@dataclass(slots=True)
class _Said:
    """One type. `asked`: names as the client spells them; `sent`: what it was told last; `flights`: by nonce."""

    asked: frozenset[str] = frozenset()
    sent: dict[str, Wanted] = field(default_factory=dict)
    acked: dict[str, str] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)
    flights: dict[str, Changes] = field(default_factory=dict)

    def ask(self, names: frozenset[str]) -> None:
        """What is asked for again, after a while, is answered again."""
        self.forget(self.asked - names)
        self.asked = names

    def forget(self, names: Iterable[str]) -> None:
        """The client has none of these any more."""
        for name in names:
            for held in (self.sent, self.acked, self.refused):
                held.pop(name, None)

    def answered(self, nonce: str, message: str | None) -> None:
        """An ACK, or with a message a NACK: of what this names (`index 0: NAME: …`), or of all if it names none."""
        changes = self.flights.pop(nonce, {})
        named = [name for name in changes if message is not None and f": {name}: " in message]
        bad = frozenset(named or changes) if message is not None else frozenset()
        for name, wanted in changes.items():
            if name in bad:
                self.refused[name] = Refused(wanted.version, message or "")
            elif name in self.asked:
                self.acked[name] = wanted.version
                self.refused.pop(name, None)


class Session:
    """One stream. `doubts` is empty: what a client has of an earlier stream it is told again."""

    def __init__(self) -> None:
        self._said = {kind: _Said() for kind in ORDER}
        self._wanted: Mapping[tuple[Type, str], Wanted] | None = None
        self._by_type: Mapping[Type, Mapping[str, Wanted]] = {kind: {} for kind in ORDER}
        self._nonces = count(1)
        self.node, self.envoy = "", ""
        self.doubts: frozenset[tuple[Type, str]] = frozenset()

    def receive(self, request: discovery_pb2.DiscoveryRequest) -> None:
        """A subscription, an ACK or a NACK. What the client says it is takes the place of Envoy's version."""
        if request.HasField("node"):
            node = request.node
            self.node, self.envoy = node.id, f"{node.user_agent_name} {node.user_agent_version}".strip() or "gRPC"
        said = self._said.get(TYPE_OF_URL.get(request.type_url, Type.SECRET))
        if said is not None:
            said.ask(frozenset(request.resource_names))
            message = request.error_detail.message if request.HasField("error_detail") else None
            said.answered(request.response_nonce, message)

    def update(self, resources: Mapping[tuple[Type, str], Wanted]) -> None:
        """What the client is to have from now on, all of it."""
        self._wanted = resources
        self._by_type = {kind: {n: w for (k, n), w in resources.items() if k == kind} for kind in ORDER}

    def pending(self) -> list[discovery_pb2.DiscoveryResponse]:
        """What to send now, in this order; it counts as sent."""
        if self._wanted is None:
            return []
        return [response for kind in ORDER for response in self._due(kind)]

    def _due(self, kind: Type) -> list[discovery_pb2.DiscoveryResponse]:
        said = self._said[kind]
        now = {name: wanted for name in sorted(said.asked) if (wanted := self._meant(kind, name))}
        if kind == Type.CLUSTER and any(self._said[leading].flights for leading in _LEADING):
            now = {name: said.sent[name] for name in said.sent.keys() - now.keys()} | now
        changed = {name: wanted for name, wanted in now.items() if said.sent.get(name) != wanted}
        gone = tuple(said.sent.keys() - now.keys()) if kind in _WHOLE else ()
        if not changed and not gone:
            return []
        said.forget(gone)
        said.sent |= changed
        told, nonce = now if kind in _WHOLE else changed, str(next(self._nonces))
        said.flights[nonce] = told
        version = digest(*(f"{name}={wanted.version}".encode() for name, wanted in sorted(told.items())))
        url = TYPE_URL[kind]
        bodies = [any_pb2.Any(type_url=url, value=wanted.body) for _, wanted in sorted(told.items())]
        return [discovery_pb2.DiscoveryResponse(version_info=version, type_url=url, nonce=nonce, resources=bodies)]

    def _meant(self, kind: Type, asked: str) -> Wanted | None:
        """What is sent for a name. A cluster without endpoints is told so, or its callers would wait for 15 s."""
        wanted = self._by_type[kind].get(self._canonical(kind, asked))
        if wanted is not None and kind == Type.LISTENER:
            return Wanted(wanted.version, renamed(wanted.body, asked))
        if wanted is None and kind == Type.ENDPOINTS:
            none = nothing(asked)
            return Wanted(none.ref.version, none.body)
        return wanted

    def _canonical(self, kind: Type, asked: str) -> str:
        """The name under which we know what is asked for."""
        if kind != Type.LISTENER:
            return asked
        known = {name: wanted.body for name, wanted in self._by_type[kind].items()}
        return listened(known, asked) or asked

    @property
    def nacks(self) -> tuple[Nack, ...]:
        """The refusals that stand: of what is still wanted as it was refused."""
        return tuple(
            Nack(kind, self._canonical(kind, name), *refused)
            for kind, said in self._said.items()
            for name, refused in sorted(said.refused.items())
            if (wanted := self._meant(kind, name)) and wanted.version == refused.version
        )

    def proven(self, expected: Iterable[Ref]) -> bool:
        """Whether the client has accepted each of these that it has asked for; it asks only for what it calls."""
        versions = {(r.type, r.name): r.version for r in expected}
        if self._wanted is None or not self.node:
            return False
        for kind, said in self._said.items():
            for name in said.asked:
                version = versions.get((kind, self._canonical(kind, name)))
                if version is not None and said.acked.get(name) != version:
                    return False
        return True
