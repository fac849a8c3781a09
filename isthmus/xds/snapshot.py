"""A snapshot: all that one cluster needs of one mesh, named by its content.

Equal content, equal version: no-op edits push nothing, going back *is* the old version, an ACK proves exactly what is
live. Protobuf promises deterministic bytes only within one library version, so an upgrade of it may give new versions
to unchanged content: one harmless extra push, rolled out in waves like any other (hence `compiler` among the inputs).

Every view has a serving part (what must be accepted) and a calling part (what may be sent), because a rollout first
widens what is served everywhere, then moves the callers, then narrows (design §4, phases).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Self

from isthmus.xds import names


class Type(StrEnum):
    """What a resource is. The first six are Envoy's; the rest are read by the agent (view `agent`), as JSON."""

    CLUSTER = "cds"
    ENDPOINTS = "eds"
    LISTENER = "lds"
    ROUTES = "rds"
    EXTENSION = "ecds"
    SECRET = "sds"
    BINDING = "binding"
    NODE = "node"
    GATEWAY = "gateway"
    BACKEND = "backend"
    PEER = "peer"
    MESH = "mesh"


TYPE_URL: Mapping[Type, str] = {
    Type.CLUSTER: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    Type.ENDPOINTS: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    Type.LISTENER: "type.googleapis.com/envoy.config.listener.v3.Listener",
    Type.ROUTES: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    Type.EXTENSION: "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
    Type.SECRET: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
}
TYPE_OF_URL: Mapping[str, Type] = {url: kind for kind, url in TYPE_URL.items()}


def digest(*parts: bytes) -> str:
    """16 hex digits that name this content: each part is length-prefixed, so no two lists share a preimage."""
    return hashlib.sha256(b"".join([b"%d:%b" % (len(part), part) for part in parts])).hexdigest()[:16]


class Ref(NamedTuple):
    """A resource by name and content."""

    type: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: `body` is the serialized message (Envoy's, without the Any) or canonical JSON (the agent's).

    `ref` is the name of this content. The type and name are in it, so a version stands for one resource only.
    """

    type: Type
    name: str
    body: bytes
    ref: Ref = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        version = digest(self.type.encode(), self.name.encode(), self.body)
        object.__setattr__(self, "ref", Ref(self.type, self.name, version))

    @classmethod
    def json(cls, kind: Type, name: str, value: Any) -> Self:  # noqa: ANN401 - JSON
        """A resource for the agent, from JSON-able data."""
        return cls(kind, name, _CANONICAL.encode(value).encode())


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Parts(NamedTuple):
    """One view's two halves, each sorted and without a name twice. No name is in both halves."""

    serving: tuple[Ref, ...] = ()
    calling: tuple[Ref, ...] = ()

    @classmethod
    def of(cls, serving: Iterable[Resource], calling: Iterable[Resource]) -> Self:
        """From the resources of a view; a name twice in it is our bug."""
        halves = cls(tuple(sorted(r.ref for r in serving)), tuple(sorted(r.ref for r in calling)))
        named = {(r.type, r.name) for half in halves for r in half}
        assert len(named) == len(halves.serving) + len(halves.calling), "a view has a resource twice"
        return halves

    @property
    def digest(self) -> str:
        """The name of this content: a version stands for one resource only, so versions say it all."""
        return digest(*(",".join(r.version for r in half).encode() for half in self))


AGENT_VIEW = "agent"


def view_id(role: str, name: str, minor: str) -> str:
    """A view's id: role (`node`, `gateway` or `east-west`), the resource's name, and the Envoy minor it is made for."""
    return f"{role}/{name}@{minor}"


BUCKETS = 256


class Versions:
    """The version of a set of views, in steps: a digest over buckets of views, so one changed view costs one bucket."""

    def __init__(self, views: Mapping[str, Parts]) -> None:
        self._buckets: list[dict[str, str]] = [{} for _ in range(BUCKETS)]
        self._digests = [""] * BUCKETS
        self._stale = set(range(BUCKETS))
        for view, parts in views.items():
            self.put(view, parts)

    def put(self, view: str, parts: Parts | None) -> None:
        """A view as it is now, or None where it is gone."""
        bucket = hashlib.sha256(view.encode()).digest()[0]
        self._stale.add(bucket)
        if parts is None:
            self._buckets[bucket].pop(view, None)
        else:
            self._buckets[bucket][view] = parts.digest

    @property
    def version(self) -> str:
        """The same views in any order and by any way, the same version."""
        for bucket in self._stale:
            listed = sorted(self._buckets[bucket].items())
            self._digests[bucket] = digest(*(text.encode() for pair in listed for text in pair))
        self._stale = set()
        return digest(*(each.encode() for each in self._digests))


@dataclass(frozen=True, slots=True)
class Manifest:
    """The views of one mesh in one cluster as references: stored, offered and kept; bodies travel by version."""

    views: Mapping[str, Parts]

    def text(self) -> str:
        """Canonical JSON; `parse` reads it back."""
        return _CANONICAL.encode(self.views)

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """The inverse of `text`."""
        views: dict[str, Any] = json.loads(text)
        return cls({v: Parts(*(tuple(Ref(*r) for r in half) for half in halves)) for v, halves in views.items()})

    @property
    def version(self) -> str:
        """The digest of the content."""
        return Versions(self.views).version

    def refs(self, view: str) -> tuple[Ref, ...]:
        """Everything that one view sees, sorted."""
        parts = self.views.get(view, Parts())
        return tuple(sorted((*parts.serving, *parts.calling)))

    def view_version(self, view: str) -> str:
        """What a proxy of this view has acknowledged once it acked every one of `refs(view)`."""
        return digest(json.dumps(self.refs(view)).encode())

    def versions(self) -> frozenset[str]:
        """The version of every resource in any view."""
        return frozenset(r.version for parts in self.views.values() for half in parts for r in half)


NOTHING = Manifest({})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A manifest with the bodies it refers to, by version."""

    manifest: Manifest
    resources: Mapping[str, Resource] = field(default_factory=dict)

    @classmethod
    def of(cls, views: Mapping[str, tuple[Iterable[Resource], Iterable[Resource]]]) -> Self:
        """From serving and calling resources per view; a name twice in a view is our bug."""
        listed = {view: (tuple(serving), tuple(calling)) for view, (serving, calling) in views.items()}
        bodies = {r.ref.version: r for halves in listed.values() for half in halves for r in half}
        return cls(Manifest({view: Parts.of(*halves) for view, halves in sorted(listed.items())}), bodies)


class Phase(StrEnum):
    """How far a rollout has come (design §4)."""

    EXPAND = "expand"
    SHIFT = "shift"
    CONTRACT = "contract"


def union(old: Iterable[Ref], new: Iterable[Ref]) -> tuple[Ref, ...]:
    """Both, by name; where both have a name the new content stands.

    Of a port that is to be served otherwise that is not enough for callers that have yet to follow; the listener that
    serves both is made by `isthmus.xds.widened`. What a listener refers to comes with it: where the new listener needs
    less (a port that spoke HTTP and speaks TCP), nobody would ask for the rest, and what nobody asks for is never
    acknowledged.
    """
    fresh = {(r.type, r.name): r for r in new}
    kept = {(r.type, r.name): r for r in old if (Type.LISTENER, listener_of(r)) not in fresh}
    return tuple(sorted((kept | fresh).values()))


def listener_of(ref: Ref) -> str | None:
    """The listener that a route table or a filter belongs to."""
    if ref.type == Type.EXTENSION:
        return names.slot_listener(ref.name)
    return ref.name if ref.type == Type.ROUTES else None


def compose(phase: Phase, old: Manifest, new: Manifest) -> Manifest:
    """What a cluster is offered in a phase on the way from `old` (what it was last offered) to `new`.

    expand: serve both, call as before. shift: serve both, call the new way. contract: the new alone. A name that moves
    between halves stands once: the serving half wins.
    """
    if phase is Phase.CONTRACT:
        return new
    views = {}
    for view in sorted({*old.views, *new.views}):
        before, after = old.views.get(view, Parts()), new.views.get(view, Parts())
        if before == after:
            views[view] = after
            continue
        serving = union(before.serving, after.serving)
        taken = {(r.type, r.name) for r in serving}
        calling = before.calling if phase is Phase.EXPAND else after.calling
        views[view] = Parts(serving, tuple(r for r in calling if (r.type, r.name) not in taken))
    return Manifest(views)
