"""mesh: what a definition means in one cluster: references followed, defaults chosen, places decided.

Neither the API's types nor Envoy's: plain values that say what is to happen. Times are milliseconds; 0 is "no limit".
Everything is hashable or a mapping of such, so equal meaning is equal and can be translated once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple
from uuid import UUID

from isthmus.incremental import Lookup
from isthmus.ir.found import Discovery
from isthmus.ir.transport import Policy, Shown
from isthmus.model.key import Key


class Protocol(StrEnum):
    """What a port speaks."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"


class Compared(StrEnum):
    """How a text must stand to what was asked for. `RANGE` is of whole numbers, `PRESENT` of anything."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    REGEX = "regex"
    RANGE = "range"
    PRESENT = "present"


class HeaderMatch(NamedTuple):
    """A header; `bounds` is [start, end) of a `RANGE`."""

    name: str
    how: Compared
    text: str = ""
    bounds: tuple[int, int] = (0, 0)
    invert: bool = False


class QueryMatch(NamedTuple):
    """A query parameter; any value will do where `exact` is None."""

    name: str
    exact: str | None = None


class Match(NamedTuple):
    """What a request must be like. `how` (exact, prefix or regex) is of the path; `host` is of gateways only."""

    how: Compared = Compared.PREFIX
    path: str = "/"
    host: tuple[Compared, str] | None = None
    method: str | None = None
    scheme: str | None = None
    headers: tuple[HeaderMatch, ...] = ()
    queries: tuple[QueryMatch, ...] = ()
    grpc: bool = False


class Retry(NamedTuple):
    """`conditions` are transport's and gRPC's (reset, refused-stream, connect-failure, unavailable, …)."""

    attempts: int
    conditions: tuple[str, ...]
    statuses: tuple[int, ...] = ()
    per_try: int | None = None


class Target(NamedTuple):
    """A share of a route's requests."""

    node: str
    port: int
    weight: int


class Route(NamedTuple):
    """Requests that match go to the targets by weight. `of`: (router, route), or None for a node that provides."""

    of: tuple[str, str] | None
    match: Match
    targets: tuple[Target, ...]
    timeout: int
    idle: int | None = None
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class TcpPort:
    """Connections to a port go to the targets by weight. `of`: (router, route), or None for a node that provides."""

    port: int
    of: tuple[str, str] | None
    targets: tuple[Target, ...]
    idle: int | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A virtual service as callers see it.

    `routes`: what is tried for the bare name. `ports`: what is tried where the name is followed by that port, empty
    unless ports differ; then no other port has an answer. `listens`: the ports that its provider says for requests.
    `tcp`: the ports that take connections, sorted. `addresses`: its VIPs, as callers are told them, IPv4 first.
    """

    name: str
    routes: tuple[Route, ...] = ()
    ports: tuple[tuple[int, tuple[Route, ...]], ...] = ()
    listens: tuple[int, ...] = ()
    tcp: tuple[TcpPort, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def all_routes(self) -> tuple[Route, ...]:
        """Every route under any port."""
        return (*self.routes, *(route for _, routes in self.ports for route in routes))


@dataclass(frozen=True, slots=True)
class Pool:
    """How much an application, or a gateway's port, takes at once; None is no limit."""

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class Outlier:
    """When clients stop calling an instance that answers with server errors, as its node declares it."""

    errors: int
    interval: int
    ejection: int
    percent: int


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a port of a node is asked whether it is well. `path` is empty where the protocol has none.

    `healthy` and `unhealthy`: how many equal answers in a row change what is thought of it.
    """

    protocol: Protocol
    host: str
    path: str
    interval: int
    timeout: int
    healthy: int
    unhealthy: int


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Where each request (each connection of a TCP port) is written, and how: one line of text, or members of JSON.

    `text` ends its line. Both None: Envoy's own format.
    """

    path: str
    text: str | None = None
    members: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """A port of a node. `timeout` and `idle` are of requests to the application; `tls` is App Mesh's."""

    port: int
    protocol: Protocol
    timeout: int = 0
    idle: int | None = None
    pool: Pool | None = None
    outlier: Outlier | None = None
    check: HealthCheck | None = None
    tls: Shown | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A virtual node. `places`: clusters it may run in; `identities`: its SPIFFE IDs; `services`: its backends.

    `permissive`: whether it may be called in plaintext where no proxy stands before it. `discovery`: where instances
    are found while no cluster has bound ones. `hostname`: what it is found by from outside, or empty. `policy`: what it
    demands of its backends, but of those in `policies`, which have one of their own, or none.
    """

    name: str
    listeners: tuple[Listener, ...]
    places: tuple[str, ...]
    identities: tuple[str, ...]
    services: tuple[str, ...]
    exported: bool
    permissive: bool
    log: AccessLog | None = None
    discovery: Discovery | None = None
    hostname: str = ""
    policy: Policy | None = None
    policies: tuple[tuple[str, Policy | None], ...] = ()
    families: tuple[int, ...] = ()

    def listener(self, port: int) -> Listener:
        """The listener on a port; StopIteration if there is none, which is our bug."""
        return next(listener for listener in self.listeners if listener.port == port)


@dataclass(frozen=True, slots=True)
class GatewayRoute:
    """Requests that match go to a service. `host` None keeps the caller's; `path` None keeps the path as it is.

    `path` replaces what matched: the prefix, or the whole path. `port`: the service's, where its ports differ.
    """

    of: tuple[str, str]
    match: Match
    service: str
    port: int | None
    rewrite_host: bool
    path: str | None


@dataclass(frozen=True, slots=True)
class GatewayListener:
    """A port of a gateway with the routes that are tried on it, in order; `pool` limits them all together.

    `tls` is for those who call the gateway.
    """

    port: int
    protocol: Protocol
    routes: tuple[GatewayRoute, ...]
    pool: Pool | None = None
    tls: Shown | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """A virtual gateway. `services`: all that its routes lead to; `policy`: what it demands of them."""

    name: str
    listeners: tuple[GatewayListener, ...]
    services: tuple[str, ...]
    log: AccessLog | None = None
    policy: Policy | None = None


class Peer(NamedTuple):
    """Another cluster of the mesh."""

    name: str
    region: str
    network: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding: `kind` is `node` or `gateway`, `of` its name, `match` as the tenant wrote it."""

    name: str
    kind: Literal["node", "gateway"]
    of: str
    match: Mapping[str, Any]


class Ineffective(NamedTuple):
    """Something said that has no effect: in which document, where (a JSON pointer into it), and why."""

    key: Key
    pointer: str
    reason: str


@dataclass(frozen=True)
class ClusterMesh:
    """One mesh in one cluster. `nodes` are all of the mesh; `domains` lacks the cluster if the mesh is not there.

    What is looked up by name is resolved when it is asked for. `account` and `region` are those of the mesh's ARN.
    `lets_out`: whether nodes may call what is no backend of theirs. `permissive`: what nodes are that say nothing else.
    `families`: of IP, as in `isthmus.ir.families`.
    """

    id: UUID
    name: str
    account: str
    region: str
    label: str
    suffix: str
    cluster: str
    permissive: bool
    lets_out: bool
    families: tuple[int, ...]
    minors: tuple[str, ...]
    domains: Mapping[str, str]
    peers: tuple[Peer, ...]
    nodes: Lookup[Node]
    services: Lookup[Service]
    gateways: Lookup[Gateway]
    bindings: Lookup[Bound]

    @property
    def here(self) -> bool:
        """Whether the mesh takes in this cluster at all."""
        return self.cluster in self.domains
