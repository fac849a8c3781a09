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
from ipaddress import ip_address
from itertools import groupby
from operator import itemgetter
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
from isthmus.xds import dual, names
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


_Placed = tuple[_Place, endpoint_components_pb2.LbEndpoint]


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
    only = endpoint_components_pb2.LbEndpoint(endpoint=_at(address, port))
    return _assignment(names.app(port), [(_Place(0, "", "", ""), only)])


def _of_backend(backend: Backend, mesh: Facts, topology: Topology, here: Here) -> Iterator[_Placed]:
    """`topology`: the instances of the backend's node here, and the clusters that are not dead."""
    for instance in topology.local:
        yield from _local(instance, backend, mesh, here)
    for cluster in topology.remote:
        yield from _remote(cluster, backend, mesh, here)
    resolved = topology.resolved.get(backend.node)
    if resolved is not None and not topology.local and not any(c.has(backend.node) for c in topology.remote):
        yield from _resolved(resolved, backend, here)


def _resolved(resolved: Resolved, backend: Backend, here: Here) -> Iterator[_Placed]:
    """Addresses of a node without instances: in plaintext, and never where they may be of another cluster's."""
    for address in resolved.addresses:
        out = _weighed(_at(address.ip, backend.port, resolved.hostname), address.health, 1)
        out.metadata.CopyFrom(_PLAINTEXT)
        place = _Place(0, here.region, here.cluster, "")
        yield place, out if address.health == "healthy" else _unasked(out)


def _local(instance: LocalInstance, backend: Backend, mesh: Facts, here: Here) -> Iterator[_Placed]:
    """Directly: through its proxy where it has one for this port, else in plaintext where the node allows it."""
    place = _Place(0, here.region, here.cluster, instance.zone)
    port = instance.ports.get(backend.port)
    if port is not None:
        slot = slot_id(here.cluster_id, mesh.id, instance.node, instance.name)
        yield place, _judged(reached(instance, port, _sni(slot, backend, mesh)), instance)
    if backend.permissive and (port is None or (backend.checked and backend.port in instance.arriving)):
        out = _judged(reached(instance, backend.port), instance)
        out.metadata.CopyFrom(_PLAINTEXT)
        yield place, out


def _judged(endpoint: endpoint_components_pb2.Endpoint, instance: LocalInstance) -> endpoint_components_pb2.LbEndpoint:
    """An endpoint as well as its instance is said to be; those that are not are not asked."""
    out = _weighed(endpoint, instance.health, instance.weight)
    return out if instance.health == "healthy" else _unasked(out)


def _remote(cluster: RemoteCluster, backend: Backend, mesh: Facts, here: Here) -> Iterator[_Placed]:
    """One endpoint a slot; above the cap one for all, because the slots that are listed are not all there are."""
    node = cluster.nodes.get(backend.node, RemoteNode())
    level = 1 if cluster.region == here.region else 2
    if node.count > len(node.slots):
        endpoint = _through(cluster, ANY, backend, mesh)
        place = _Place(level, cluster.region, cluster.name, "")
        yield place, _unasked(_weighed(endpoint, "healthy", node.count))
        return
    for slot in node.slots:
        if backend.port in slot.ports:
            endpoint = _direct(slot, backend, mesh) if cluster.network == here.network else None
            endpoint = endpoint or _through(cluster, slot.slot, backend, mesh)
            place = _Place(level, cluster.region, cluster.name, slot.zone)
            yield place, _unasked(_weighed(endpoint, slot.health, slot.weight))


def _direct(slot: RemoteSlot, backend: Backend, mesh: Facts) -> endpoint_components_pb2.Endpoint | None:
    port = slot.inbound.get(backend.port)
    return _at(slot.address, port, _sni(slot.slot, backend, mesh)) if slot.address and port else None


def _through(cluster: RemoteCluster, slot: str, backend: Backend, mesh: Facts) -> endpoint_components_pb2.Endpoint:
    """An address of its own for a slot; `hostname` becomes the SNI (`auto_host_sni`), which the gateway routes on."""
    asked = Sni(slot, backend.port, backend.service, mesh.label)
    out = endpoint_components_pb2.Endpoint(hostname=asked.text(mesh.suffix, cluster.spoken))
    address = out.address.envoy_internal_address
    address.server_listener_name = names.to(cluster.name)
    address.endpoint_id = out.hostname
    return out


def _of_gateways(cluster: RemoteCluster | None) -> Iterator[_Placed]:
    if cluster is None or cluster.state == "dead":
        return
    for gateway in sorted(set(cluster.gateways)):
        host, port = parted(gateway)
        if _is_ip(host):
            yield _Place(0, cluster.region, cluster.name, ""), _weighed(_at(host, port), "healthy", 1)


def _sni(slot: str, backend: Backend, mesh: Facts) -> str:
    return Sni(slot, backend.port, backend.service, mesh.label).text(mesh.suffix)


def _is_ip(host: str) -> bool:
    """Envoy refuses a name among endpoints, and with it every other endpoint of the message."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _at(host: str, port: int, hostname: str = "") -> endpoint_components_pb2.Endpoint:
    out = endpoint_components_pb2.Endpoint(hostname=hostname)
    out.address.socket_address.address = host
    out.address.socket_address.port_value = port
    return out


def reached(instance: LocalInstance, port: int, hostname: str = "") -> endpoint_components_pb2.Endpoint:
    """An instance at a port of it, at each address where it is called."""
    first, *others = dual.called(instance.addresses, instance.families)
    out = _at(first, port, hostname)
    for other in others:
        out.additional_addresses.add().address.CopyFrom(_at(other, port).address)
    return out


def _weighed(
    endpoint: endpoint_components_pb2.Endpoint, health: str, weight: int
) -> endpoint_components_pb2.LbEndpoint:
    return endpoint_components_pb2.LbEndpoint(
        endpoint=endpoint, health_status=HEALTH[health], load_balancing_weight=UInt32Value(value=max(weight, 1))
    )


def _unasked(endpoint: endpoint_components_pb2.LbEndpoint) -> endpoint_components_pb2.LbEndpoint:
    """Without the active health checks that its backend may have."""
    endpoint.endpoint.health_check_config.disable_active_health_check = True
    return endpoint


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
    """Grouped by place; levels become priorities without a gap. Equal endpoints in any order give equal bytes.

    Joined, because serializing each is what they are put in order by.
    """
    ordered = sorted(
        (place, each.SerializeToString(deterministic=True), each.load_balancing_weight.value) for place, each in placed
    )
    levels = sorted({place.level for place, _, _ in ordered})
    parts = [field(_CLUSTER_NAME, name.encode())]
    for place, group in groupby(ordered, key=itemgetter(0)):
        members = list(group)
        weight = UInt32Value(value=sum(weight or 1 for _, _, weight in members))
        where = base_pb2.Locality(region=place.region, zone=place.zone, sub_zone=place.cluster)
        last = endpoint_components_pb2.LocalityLbEndpoints(
            load_balancing_weight=weight, priority=levels.index(place.level)
        )
        endpoints = (field(_LB_ENDPOINTS, body) for _, body, _ in members)
        first = field(_LOCALITY, where.SerializeToString(deterministic=True))
        parts.append(field(_ENDPOINTS, b"".join((first, *endpoints, last.SerializeToString(deterministic=True)))))
    return Resource(Type.ENDPOINTS, name, b"".join(parts))


_CLUSTER_NAME, _ENDPOINTS = numbers(endpoint_pb2.ClusterLoadAssignment, "cluster_name", "endpoints")
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
