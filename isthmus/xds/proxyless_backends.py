"""proxyless_backends: a backend as gRPC's own client reaches it, with the certificates of its own bootstrap.

gRPC has one transport per cluster. So a backend is three clusters, and an aggregate of them: first this cluster's
instances with a proxy before them, in the mesh's mutual TLS; when none of these can be reached those without one, where
plaintext is permitted; then other clusters'. A client that was given no credentials reaches only those in the middle,
because a proxy takes nothing else. It is an aggregate also where one is left: C-core 1.85 ends with its application
when a cluster of one kind becomes one of another (measured). Those without endpoints are left out of it, because what
it says of a call that fails is what the last one says.

gRPC has no internal listeners either. The instances of another cluster are one endpoint for each of its gateways, whose
SNI says "any": several endpoints of one address it refuses. Typed SAN matchers it passes over *in silence*, so the
names are said in the older field, which it enforces; an empty list would be everybody, and is never made.

A way that is not the mesh's own (App Mesh's TLS, as a policy demands it or a listener of an instance without a proxy)
has no endpoints here: nothing weaker is used.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2, base_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.clusters.aggregate.v3 import cluster_pb2 as aggregate_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.type.matcher.v3 import string_pb2

from isthmus.wire import of_any
from isthmus.xds import names
from isthmus.xds.app_mesh_tls import WITHOUT_PROXY
from isthmus.xds.endpoints import HEALTH, MATCH, PLAINTEXT, nothing
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import ADS, packed

NOBODY = "spiffe://nowhere.invalid"
"""Whom to expect where nobody is to be called."""

_Assignment: TypeAlias = endpoint_pb2.ClusterLoadAssignment
_Endpoint: TypeAlias = endpoint_components_pb2.LbEndpoint
_Further: TypeAlias = endpoint_components_pb2.Endpoint.AdditionalAddress


class _Way(NamedTuple):
    """The mesh's own transport to a backend: who it may be, and how an instance without a proxy is called.

    That is in plaintext, not at all, or (`secured`) in App Mesh's TLS.
    """

    identities: tuple[str, ...]
    permissive: bool
    secured: bool


def backend(
    cluster: Resource, assignments: Mapping[str, Resource], peers: tuple[Resource, ...]
) -> tuple[list[Resource], list[str]]:
    """The clusters and endpoints of a backend, and what is lost of it. `peers`: the gateways of other clusters."""
    said = cluster_pb2.Cluster.FromString(cluster.body)
    assignment = assignments.get(names.any_service(said.name))
    way = _way(said)
    parts = _split(assignment or nothing(said.name), peers) if way else _NOBODY
    lost = [*_uncalled(said.name, way, parts), *_lost(said)]
    plain = parts.bare if way and way.permissive else _Assignment()
    identities = way.identities if way else (NOBODY,)
    name = names.quoted(said.name)
    near, bare, far = names.mtls(name), names.plaintext(name), names.elsewhere(name)
    found = {near: parts.near, bare: plain, far: parts.far}
    listed = [each for each in found if found[each].endpoints] or [near]
    made = [_aggregate(name, listed)]
    made += (_discovered(n, said) if n == bare else _authenticated(n, said, identities) for n in listed)
    return [*map(_resource, made), *(_renamed(found[n], n) for n in listed)], lost


def _uncalled(name: str, way: _Way | None, parts: "_Parts") -> Iterator[str]:
    """Who is called in a TLS that is App Mesh's."""
    if way is None:
        yield f"{name}: App Mesh's TLS is demanded on the way to it, which gRPC cannot do: nobody is called"
    elif way.secured and parts.bare.endpoints:
        yield f"{name}: instances without a proxy take App Mesh's TLS, which gRPC cannot do: these are not called"


def _lost(said: cluster_pb2.Cluster) -> list[str]:
    """What is said of the backend's instances by whoever is called, and is nothing to gRPC."""
    out = [f"{said.name}: gRPC makes no health checks of this kind"] if said.health_checks else []
    if said.outlier_detection.enforcing_consecutive_5xx.value:
        out.append(f"{said.name}: gRPC ejects nobody for a number of server errors in a row")
    return out


def _way(said: cluster_pb2.Cluster) -> _Way | None:
    """How a sidecar goes there, if it is the mesh's own way; None for any other."""
    if not said.transport_socket.typed_config.Is(tls_pb2.UpstreamTlsContext.DESCRIPTOR):
        return None
    context = tls_pb2.UpstreamTlsContext.FromString(said.transport_socket.typed_config.value).common_tls_context
    validation = context.combined_validation_context
    shown = [secret.name for secret in context.tls_certificate_sds_secret_configs]
    raw = [_raw(each.transport_socket) for each in said.transport_socket_matches]
    sans = validation.default_validation_context.match_typed_subject_alt_names
    identities = tuple(san.matcher.exact for san in sans)
    trusted = validation.validation_context_sds_secret_config.name
    if not all(map(_known, said.transport_socket_matches)) or not all(identities or [""]):
        return None
    if shown != [names.IDENTITY] or trusted != names.BUNDLE:
        return None
    return _Way(identities, permissive=bool(raw) and all(raw), secured=not all(raw))


def _known(way: cluster_pb2.Cluster.TransportSocketMatch) -> bool:
    """Whether it is one to instances without a proxy."""
    return way.name == WITHOUT_PROXY or (way.name == PLAINTEXT and _raw(way.transport_socket))


def _raw(socket: base_pb2.TransportSocket) -> bool:
    return bool(socket.typed_config.Is(raw_buffer_pb2.RawBuffer.DESCRIPTOR))


def _discovered(name: str, said: cluster_pb2.Cluster) -> cluster_pb2.Cluster:
    """Round robin, which is the default of both; of limits gRPC knows that of requests, whose default is 1024."""
    out = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
    out.eds_cluster_config.eds_config.CopyFrom(ADS)
    for threshold in said.circuit_breakers.thresholds:
        out.circuit_breakers.thresholds.add(max_requests=threshold.max_requests)
    return out


def _authenticated(name: str, said: cluster_pb2.Cluster, identities: Sequence[str]) -> cluster_pb2.Cluster:
    out = _discovered(name, said)
    context = tls_pb2.UpstreamTlsContext(auto_host_sni=True)
    common = context.common_tls_context
    common.tls_certificate_provider_instance.instance_name = names.CREDENTIALS
    common.validation_context.ca_certificate_provider_instance.instance_name = names.CREDENTIALS
    common.validation_context.match_subject_alt_names.extend(
        string_pb2.StringMatcher(exact=identity) for identity in identities
    )
    out.transport_socket.CopyFrom(
        base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context))
    )
    return out


def _aggregate(name: str, parts: Iterable[str]) -> cluster_pb2.Cluster:
    """Without Envoy's CLUSTER_PROVIDED, which gRPC refuses."""
    out = cluster_pb2.Cluster(name=name)
    out.cluster_type.name = "envoy.clusters.aggregate"
    out.cluster_type.typed_config.CopyFrom(packed(aggregate_pb2.ClusterConfig(clusters=parts)))
    return out


class _Parts(NamedTuple):
    """`near` and `far`: those in the mesh's mutual TLS, here and in other clusters; `bare`: those in plaintext."""

    near: _Assignment
    far: _Assignment
    bare: _Assignment


_NOBODY = _Parts(_Assignment(), _Assignment(), _Assignment())


@lru_cache(maxsize=4096)
def _split(assignment: Resource, peers: tuple[Resource, ...]) -> _Parts:
    """All clients of a cluster share the work."""
    gateways = {said.cluster_name: said for said in map(_read, peers)}
    near, far, bare = _Placed(), _Placed(), _Placed()
    for locality in _read(assignment).endpoints:
        for each in locality.lb_endpoints:
            if each.health_status not in _CALLED:
                continue
            if each.endpoint.address.HasField("envoy_internal_address"):
                far.through(locality, each, gateways)
            else:
                transport = each.metadata.filter_metadata[MATCH].fields["transport"].string_value
                if transport in ("", PLAINTEXT):
                    (bare if transport else near).put(locality.priority, locality.locality, each)
    return _Parts(near.assigned(), far.assigned(), bare.assigned())


_CALLED = frozenset({0, HEALTH["healthy"]})


class _Placed:
    """Endpoints by priority and place, each address once: gRPC refuses all where two have one, even a further."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, bytes], dict[tuple[str, int], _Endpoint]] = defaultdict(dict)
        self._seen: dict[tuple[str, int], _Endpoint] = {}
        self._others: dict[tuple[str, int], Sequence[_Further]] = {}

    def put(self, priority: int, where: base_pb2.Locality, each: _Endpoint) -> None:
        """An endpoint; one whose address is there already adds its weight to that."""
        address = each.endpoint.address.socket_address
        key = _key(address)
        if key in self._seen:
            self._seen[key].load_balancing_weight.value += each.load_balancing_weight.value or 1
            return
        made = _Endpoint(health_status=HEALTH["healthy"])
        made.load_balancing_weight.value = each.load_balancing_weight.value or 1
        made.endpoint.hostname = each.endpoint.hostname
        made.endpoint.address.socket_address.CopyFrom(address)
        self._others[key] = list(each.endpoint.additional_addresses)
        self._seen[key] = made
        self._places[priority, where.SerializeToString(deterministic=True)][key] = made

    def through(
        self,
        locality: endpoint_components_pb2.LocalityLbEndpoints,
        slot: _Endpoint,
        gateways: Mapping[str, _Assignment],
    ) -> None:
        """A slot of another cluster: that cluster's gateways, asked for any of its instances."""
        cluster = locality.locality.sub_zone
        anyone = of_any(slot.endpoint.hostname)
        where = base_pb2.Locality(region=locality.locality.region, sub_zone=cluster)
        for place in gateways.get(names.peer(cluster), _Assignment()).endpoints:
            for gateway in place.lb_endpoints:
                each = _Endpoint(load_balancing_weight=slot.load_balancing_weight)
                each.endpoint.CopyFrom(gateway.endpoint)
                each.endpoint.hostname = anyone
                self.put(locality.priority, where, each)

    def assigned(self) -> _Assignment:
        """Priorities without a gap; gRPC passes over a place without a weight."""
        out, taken = _Assignment(), set(self._seen)
        for first, others in sorted(self._others.items()):
            free = {_key(other.address.socket_address): other for other in others}
            further = self._seen[first].endpoint.additional_addresses
            further.extend(other for key, other in free.items() if key not in taken)
            taken |= free.keys()
        levels = sorted({priority for priority, _ in self._places})
        for priority, where in sorted(self._places):
            members: Sequence[_Endpoint] = [each for _, each in sorted(self._places[priority, where].items())]
            part = out.endpoints.add(priority=levels.index(priority), lb_endpoints=members)
            part.locality.ParseFromString(where)
            part.load_balancing_weight.value = sum(each.load_balancing_weight.value for each in members)
        return out


def _key(address: address_pb2.SocketAddress) -> tuple[str, int]:
    return address.address, address.port_value


def _read(assignment: Resource) -> _Assignment:
    return _Assignment.FromString(assignment.body)


def _renamed(assignment: _Assignment, name: str) -> Resource:
    out = _Assignment()
    out.CopyFrom(assignment)
    out.cluster_name = name
    return Resource(Type.ENDPOINTS, name, out.SerializeToString(deterministic=True))


def _resource(cluster: cluster_pb2.Cluster) -> Resource:
    return Resource(Type.CLUSTER, cluster.name, cluster.SerializeToString(deterministic=True))
