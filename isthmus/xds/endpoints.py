"""endpoints: which instances answer for a backend, from what is here and what other clusters export.

Priorities: this cluster, then others of its region, then the rest; Envoy wants them without a gap from 0, so a backend
that only runs elsewhere begins at 0 there. Inside a cluster, and between clusters of one network, instances are called
directly; otherwise each slot is an address of its own behind the internal listener `to/<cluster>`, because through one
shared address a single instance would get every request (design-notes 7). Health is said, not hidden: leaving unhealthy
endpoints out would keep the share of healthy ones at 100 % and nothing would spill over (design-notes 23).

Where a backend has active health checks, only instances of this cluster are asked, because N callers times M instances
would pay for each answer between regions; and of these only those said to be healthy, because a backend that comes or
changes waits for its first answers, and so does a proxy that starts (docs/decisions/010).
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from types import MappingProxyType
from typing import Literal, NamedTuple
from uuid import UUID

from envoy.config.core.v3 import base_pb2, health_check_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from isthmus.hostport import parted
from isthmus.ir.families import UNSAID, Families
from isthmus.values import ANY, service_id, slot_id
from isthmus.wire import Sni, Version, spoken
from isthmus.xds import dual, lb_endpoint, names
from isthmus.xds.directory import Backend, Directory, Facts
from isthmus.xds.joined import field, numbers
from isthmus.xds.resolved import Resolved
from isthmus.xds.snapshot import Resource, Type

Health = Literal["healthy", "unhealthy", "draining"]
State = Literal["live", "unknown", "dead"]

HEALTH: Mapping[str, int] = {
    "healthy": health_check_pb2.HEALTHY,
    "unhealthy": health_check_pb2.UNHEALTHY,
    "draining": health_check_pb2.DRAINING,
}

MATCH = "envoy.transport_socket_match"
PLAINTEXT = "plaintext"
"""The value of `transport` in the metadata of an endpoint without a proxy; all others are called in mutual TLS."""


@dataclass(frozen=True, slots=True)
class LocalInstance:
    """A running copy of a node, or of a virtual gateway, in this cluster.

    `ports`: listener port → the proxy's inbound port (a gateway's: the port it binds). As an endpoint it has those
    where a proxy was seen to stand: any other port is called in plaintext or not at all. `address`: an IP address, of
    the application and the proxy alike; `also`: one of the other family. `families`: those that the node, or its mesh,
    wants (`isthmus.xds.dual`). `arriving`: those of the ports whose proxy was seen just now; until its callers have had
    the time to ask it whether it is well they may go on as before, or they would have nobody to call.
    """

    name: str
    node: str
    address: str
    ports: Mapping[int, int] = dataclasses.field(default_factory=dict)
    zone: str = ""
    health: Health = "healthy"
    weight: int = 1
    arriving: frozenset[int] = frozenset()
    also: str = ""
    families: Families = UNSAID

    @property
    def addresses(self) -> Sequence[str]:
        """All that it has."""
        return (self.address, self.also) if self.also else (self.address,)


@dataclass(frozen=True, slots=True)
class RemoteSlot:
    """An instance elsewhere. `ports`: listener ports that are exported.

    `address` and `inbound` (listener port → inbound port) are known of clusters in our own network only.
    """

    slot: str
    zone: str = ""
    health: Health = "healthy"
    weight: int = 1
    ports: tuple[int, ...] = ()
    address: str = ""
    inbound: Mapping[int, int] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteNode:
    """A node elsewhere: its slots up to the cap, and how many instances it has in all."""

    slots: tuple[RemoteSlot, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class RemoteCluster:
    """Another cluster of the mesh. `gateways`: `IP:port` each (the agent resolves names); `state` as its leases say.

    `spoken`: the version of SNI in which its gateways are asked.
    """

    name: str
    region: str
    network: str
    state: State = "live"
    gateways: tuple[str, ...] = ()
    nodes: Mapping[str, RemoteNode] = dataclasses.field(default_factory=dict)
    spoken: Version = spoken()  # noqa: RUF009 - a constant

    def has(self, node: str) -> bool:
        """Whether it exports instances of a node."""
        known = self.nodes.get(node)
        return known is not None and bool(known.slots or known.count)


@dataclass(frozen=True, slots=True)
class Here:
    """Where the proxy stands."""

    cluster: str
    cluster_id: UUID
    region: str
    network: str
    zone: str = ""


class Topology(NamedTuple):
    """All that is known of one mesh's instances. `resolved`: what nodes' own service discovery says, by node."""

    local: Sequence[LocalInstance] = ()
    remote: Sequence[RemoteCluster] = ()
    resolved: Mapping[str, Resolved] = MappingProxyType({})


class _Place(NamedTuple):
    """Where an endpoint is, in the order in which places are preferred."""

    level: int
    region: str
    cluster: str
    zone: str


_place = lru_cache(maxsize=1024)(_Place)
"""There are few, and very many endpoints in each."""

_Placed = tuple[_Place, bytes, int]
"""Where an endpoint is, the endpoint itself (`LbEndpoint`, serialized), and its weight."""


def endpoints(directory: Directory, topology: Topology, here: Here) -> Mapping[str, Resource]:
    """The endpoints of every backend and every peer of one mesh, by name: the same for all proxies of the cluster."""
    mesh = directory.facts
    local: dict[str, list[LocalInstance]] = defaultdict(list)
    for instance in topology.local:
        local[instance.node].append(instance)
    remote = [cluster for cluster in topology.remote if cluster.state != "dead"]
    out = [
        _assignment(name, _of_backend(b, mesh, Topology(local[b.node], remote, topology.resolved), here))
        for name, b in directory.backends.items()
    ]
    by_name = {cluster.name: cluster for cluster in topology.remote}
    out += [_assignment(names.peer(peer), _of_gateways(by_name.get(peer))) for peer in directory.peers]
    return {resource.name: resource for resource in out}


def nothing(name: str) -> Resource:
    """No endpoints: what a backend gets that nothing is known of, because Envoy would wait 15 s for an answer."""
    return _assignment(name, ())


def renamed(assignment: Resource, name: str) -> Resource:
    """The same endpoints for another backend."""
    message = endpoint_pb2.ClusterLoadAssignment.FromString(assignment.body)
    message.cluster_name = name
    return Resource(assignment.type, name, message.SerializeToString(deterministic=True))


def app_endpoints(port: int, address: str) -> Resource:
    """The application behind its own proxy."""
    only = field(_ENDPOINT, lb_endpoint.endpoint([lb_endpoint.at(address, port)]))
    return _assignment(names.app(port), [(_Place(0, "", "", ""), only, 1)])


def _of_backend(backend: Backend, mesh: Facts, topology: Topology, here: Here) -> Iterator[_Placed]:
    """`topology`: the instances of the backend's node here, and the clusters that are not dead."""
    yield from _local(topology.local, backend, mesh, here)
    for cluster in topology.remote:
        yield from _remote(cluster, backend, mesh, here)
    resolved = topology.resolved.get(backend.node)
    if resolved is not None and not topology.local and not any(c.has(backend.node) for c in topology.remote):
        yield from _resolved(resolved, backend, here)


def _resolved(resolved: Resolved, backend: Backend, here: Here) -> Iterator[_Placed]:
    """Addresses of a node without instances: in plaintext, and never where they may be of another cluster's."""
    place = _Place(0, here.region, here.cluster, "")
    for address in resolved.addresses:
        at = [lb_endpoint.at(address.ip, backend.port)]
        endpoint = lb_endpoint.endpoint(at, resolved.hostname, checked=address.health == "healthy")
        yield place, _weighed(endpoint, address.health, 1, bare=True), 1


def _local(instances: Iterable[LocalInstance], backend: Backend, mesh: Facts, here: Here) -> Iterator[_Placed]:
    """Directly: through its proxy where it has one for this port, else in plaintext where the node allows it.

    Those that are not said to be healthy are not asked.
    """
    for instance in instances:
        place = _place(0, here.region, here.cluster, instance.zone)
        port, weight, checked = instance.ports.get(backend.port), max(instance.weight, 1), instance.health == "healthy"
        if port is not None:
            slot = slot_id(here.cluster_id, mesh.id, instance.node, instance.name)
            endpoint = _reached(instance, port, _sni(slot, backend, mesh), checked=checked)
            yield place, _weighed(endpoint, instance.health, weight), weight
        if backend.permissive and (port is None or (backend.checked and backend.port in instance.arriving)):
            endpoint = _reached(instance, backend.port, checked=checked)
            yield place, _weighed(endpoint, instance.health, weight, bare=True), weight


def _remote(cluster: RemoteCluster, backend: Backend, mesh: Facts, here: Here) -> Iterator[_Placed]:
    """One endpoint a slot; above the cap one for all, because the slots that are listed are not all there are."""
    node = cluster.nodes.get(backend.node, RemoteNode())
    level = 1 if cluster.region == here.region else 2
    if node.count > len(node.slots):
        place = _Place(level, cluster.region, cluster.name, "")
        yield place, _weighed(_through(cluster, ANY, backend, mesh), "healthy", node.count), node.count
        return
    for slot in node.slots:
        if backend.port in slot.ports:
            endpoint = _direct(slot, backend, mesh) if cluster.network == here.network else None
            endpoint = endpoint or _through(cluster, slot.slot, backend, mesh)
            place, weight = _Place(level, cluster.region, cluster.name, slot.zone), max(slot.weight, 1)
            yield place, _weighed(endpoint, slot.health, weight), weight


def _direct(slot: RemoteSlot, backend: Backend, mesh: Facts) -> bytes | None:
    port = slot.inbound.get(backend.port)
    if not slot.address or not port:
        return None
    return lb_endpoint.endpoint([lb_endpoint.at(slot.address, port)], _sni(slot.slot, backend, mesh), checked=False)


def _through(cluster: RemoteCluster, slot: str, backend: Backend, mesh: Facts) -> bytes:
    """An address of its own for a slot; `hostname` becomes the SNI (`auto_host_sni`), which the gateway routes on."""
    asked = Sni(slot, backend.port, backend.service, mesh.label).text(mesh.suffix, cluster.spoken)
    return lb_endpoint.endpoint([lb_endpoint.inside(names.to(cluster.name), asked)], asked, checked=False)


def _of_gateways(cluster: RemoteCluster | None) -> Iterator[_Placed]:
    if cluster is None or cluster.state == "dead":
        return
    for gateway in sorted(set(cluster.gateways)):
        host, port = parted(gateway)
        if _is_ip(host):
            endpoint = lb_endpoint.endpoint([lb_endpoint.at(host, port)])
            yield _Place(0, cluster.region, cluster.name, ""), _weighed(endpoint, "healthy", 1), 1


def _sni(slot: str, backend: Backend, mesh: Facts) -> str:
    return Sni(slot, backend.port, backend.service, mesh.label).text(mesh.suffix)


def _is_ip(host: str) -> bool:
    """Envoy refuses a name among endpoints, and with it every other endpoint of the message."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def reached(instance: LocalInstance, port: int, hostname: str = "") -> endpoint_components_pb2.Endpoint:
    """An instance at a port of it, at each address where it is called."""
    return endpoint_components_pb2.Endpoint.FromString(_reached(instance, port, hostname))


def _reached(instance: LocalInstance, port: int, hostname: str = "", *, checked: bool = True) -> bytes:
    at = [lb_endpoint.at(address, port) for address in dual.called(instance.addresses, instance.families)]
    return lb_endpoint.endpoint(at, hostname, checked=checked)


def _weighed(endpoint: bytes, health: str, weight: int, *, bare: bool = False) -> bytes:
    """As well as it is said to be; `bare`: without a proxy, so in plaintext."""
    return field(_ENDPOINT, endpoint) + _judged(health, weight, bare=bare)


@lru_cache(maxsize=1024)
def _judged(health: str, weight: int, *, bare: bool) -> bytes:
    """All that is said of an endpoint beside what it is; most are the same."""
    out = endpoint_components_pb2.LbEndpoint(
        health_status=HEALTH[health], load_balancing_weight=UInt32Value(value=weight)
    )
    if bare:
        out.metadata.CopyFrom(_PLAINTEXT)
    body: bytes = out.SerializeToString(deterministic=True)
    return body


_PLAINTEXT = base_pb2.Metadata()
_PLAINTEXT.filter_metadata[MATCH].fields["transport"].string_value = PLAINTEXT
_MARK = _PLAINTEXT.SerializeToString(deterministic=True)


def in_plaintext(assignment: Resource) -> Sequence[tuple[str, int]]:
    """The addresses and ports that an assignment says to call in plaintext; most have none, and are not parsed."""
    if _MARK not in assignment.body:
        return ()
    read = endpoint_pb2.ClusterLoadAssignment.FromString(assignment.body)
    bare = (e.endpoint.address.socket_address for each in read.endpoints for e in each.lb_endpoints if _is_bare(e))
    return tuple((address.address, address.port_value) for address in bare)


def _is_bare(endpoint: endpoint_components_pb2.LbEndpoint) -> bool:
    return bool(endpoint.metadata == _PLAINTEXT)


def _assignment(name: str, placed: Iterable[_Placed]) -> Resource:
    """Grouped by place; levels become priorities without a gap. Equal endpoints in any order give equal bytes."""
    by_place: dict[_Place, list[tuple[bytes, int]]] = defaultdict(list)
    for place, endpoint, weight in placed:
        by_place[place].append((endpoint, weight))
    levels = sorted({place.level for place in by_place})
    parts = [field(_CLUSTER_NAME, name.encode())]
    for place, members in sorted(by_place.items()):
        members.sort()
        endpoints = [field(_LB_ENDPOINTS, endpoint) for endpoint, _ in members]
        last = _weighed_place(sum(weight for _, weight in members), levels.index(place.level))
        parts.append(field(_ENDPOINTS, b"".join((_locality(place), *endpoints, last))))
    return Resource(Type.ENDPOINTS, name, b"".join(parts))


@lru_cache(maxsize=1024)
def _locality(place: _Place) -> bytes:
    where = base_pb2.Locality(region=place.region, zone=place.zone, sub_zone=place.cluster)
    return field(_LOCALITY, where.SerializeToString(deterministic=True))


@lru_cache(maxsize=1024)
def _weighed_place(weight: int, priority: int) -> bytes:
    out = endpoint_components_pb2.LocalityLbEndpoints(
        load_balancing_weight=UInt32Value(value=weight), priority=priority
    )
    body: bytes = out.SerializeToString(deterministic=True)
    return body


_CLUSTER_NAME, _ENDPOINTS = numbers(endpoint_pb2.ClusterLoadAssignment, "cluster_name", "endpoints")
(_ENDPOINT,) = numbers(endpoint_components_pb2.LbEndpoint, "endpoint")
_LOCALITY, _LB_ENDPOINTS = numbers(endpoint_components_pb2.LocalityLbEndpoints, "locality", "lb_endpoints")


def slots_of(
    instances: Sequence[LocalInstance], directory: Directory, here: Here
) -> Iterator[tuple[Sni, LocalInstance]]:
    """What a gateway here may be asked for: each exported instance with a proxy before it, under each of its ports."""
    for instance in instances:
        node = directory.nodes.get(instance.node)
        if node is None or not node.exported:
            continue
        slot = slot_id(here.cluster_id, directory.facts.id, instance.node, instance.name)
        service = service_id(directory.facts.id, instance.node)
        for port in sorted({p for p, _ in node.ports} & set(instance.ports)):
            yield Sni(slot, port, service, directory.facts.label), instance
