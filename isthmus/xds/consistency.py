"""consistency: every name that a resource says exists where it is looked for, and all that exists is asked for.

A listener whose routes are missing is never bound, and no time-out tells (envoy.md §5); a resource that nobody asks for
is never acknowledged, and a revision would wait for it for ever. And nothing serving may refer to anything calling,
because the halves of a view travel in different phases.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

from isthmus.xds import names
from isthmus.xds.snapshot import AGENT_VIEW, Manifest, Parts, Ref, Resource, Snapshot, Type

ASKED_FOR = frozenset({Type.ROUTES, Type.EXTENSION, Type.SECRET})
"""What Envoy subscribes to by name only."""


class Wanted(NamedTuple):
    """What a resource refers to."""

    type: Type
    name: str


def inconsistencies(snapshot: Snapshot) -> tuple[str, ...]:
    """What is wrong, one sentence each; empty if nothing is."""
    return of_manifest(snapshot.manifest, snapshot.resources)


def of_manifest(manifest: Manifest, bodies: Mapping[str, Resource]) -> tuple[str, ...]:
    """The same for a manifest, also one that was composed of two; `bodies` by version."""
    wants: dict[str, tuple[Wanted, ...]] = {}
    agent = manifest.views.get(AGENT_VIEW, Parts())
    known = {(r.type, r.name) for half in agent for r in half}
    out: list[str] = []
    for view, parts in manifest.views.items():
        if view != AGENT_VIEW:
            out += (f"{view}: {said}" for said in _of_view(parts, known, bodies, wants))
    return tuple(out)


def _of_view(
    parts: Parts, agent: set[tuple[str, str]], bodies: Mapping[str, Resource], wants: dict[str, tuple[Wanted, ...]]
) -> Iterator[str]:
    serving = {(r.type, r.name) for r in parts.serving}
    everything = serving | {(r.type, r.name) for r in parts.calling}
    asked: set[tuple[str, str]] = set()
    for half, reach in ((parts.serving, serving), (parts.calling, everything)):
        for ref in half:
            needed = _wants(ref, bodies, wants)
            asked.update(needed)
            yield from _missing(ref, needed, reach | agent)
    for kind, name in sorted(everything - asked):
        if kind in ASKED_FOR:
            yield f"{kind} {name} is referred to by nothing"


def _missing(ref: Ref, needed: Iterable[Wanted], reach: set[tuple[str, str]]) -> Iterator[str]:
    for each in needed:
        if tuple(each) not in reach:
            yield f"{ref.type} {ref.name} refers to {each.type} {each.name}, which is not within its reach"


def wanted(resource: Resource) -> tuple[Wanted, ...]:
    """What a resource refers to by name."""
    read = _READERS.get(resource.type)
    return tuple(read(resource.body)) if read else ()


def asked_for(resources: Sequence[Resource]) -> list[Resource]:
    """Without what nothing among them refers to, which a proxy that is given no more would never acknowledge."""
    needed = {each for resource in resources for each in _said(resource)}
    return [r for r in resources if r.type not in ASKED_FOR or (r.type, r.name) in needed]


@lru_cache(maxsize=2**14)
def _said(resource: Resource) -> tuple[Wanted, ...]:
    """Kept, because all proxies of a node are given the same."""
    return wanted(resource)


def _wants(ref: Ref, bodies: Mapping[str, Resource], known: dict[str, tuple[Wanted, ...]]) -> tuple[Wanted, ...]:
    if ref.version not in known:
        known[ref.version] = wanted(bodies[ref.version])
    return known[ref.version]


def _of_listener(body: bytes) -> Iterator[Wanted]:
    for chain in listener_pb2.Listener.FromString(body).filter_chains:
        yield from _of_socket(chain.transport_socket)
        chosen_by_sni = False
        for each in chain.filters:
            url = each.typed_config.type_url
            if each.HasField("config_discovery"):
                yield Wanted(Type.EXTENSION, each.name)
            elif url.endswith(".SniCluster"):
                chosen_by_sni = True
            elif url.endswith(".TcpProxy") and not chosen_by_sni:
                yield Wanted(Type.CLUSTER, tcp_proxy_pb2.TcpProxy.FromString(each.typed_config.value).cluster)
            elif url.endswith(".HttpConnectionManager"):
                yield from _of_manager(hcm_pb2.HttpConnectionManager.FromString(each.typed_config.value))


def _of_manager(manager: hcm_pb2.HttpConnectionManager) -> Iterator[Wanted]:
    yield Wanted(Type.ROUTES, manager.rds.route_config_name)
    for each in manager.http_filters:
        if each.HasField("config_discovery"):
            yield Wanted(Type.EXTENSION, each.name)


def _of_routes(body: bytes) -> Iterator[Wanted]:
    for host in route_pb2.RouteConfiguration.FromString(body).virtual_hosts:
        for route in host.routes:
            if route.HasField("route"):
                listed = [c.name for c in route.route.weighted_clusters.clusters] or [route.route.cluster]
                yield from (Wanted(Type.CLUSTER, name) for name in listed)


def _of_extension(body: bytes) -> Iterator[Wanted]:
    """Of the filters that come by themselves only the end of a TCP chain names anything."""
    filled = extension_pb2.TypedExtensionConfig.FromString(body).typed_config
    if filled.Is(tcp_proxy_pb2.TcpProxy.DESCRIPTOR):
        proxy = tcp_proxy_pb2.TcpProxy.FromString(filled.value)
        listed = [c.name for c in proxy.weighted_clusters.clusters] or [proxy.cluster]
        yield from (Wanted(Type.CLUSTER, name) for name in listed if name != names.NOWHERE)


def _of_cluster(body: bytes) -> Iterator[Wanted]:
    """Endpoints come from the agent, which knows of them by its own view."""
    cluster = cluster_pb2.Cluster.FromString(body)
    family, _, rest = cluster.name.partition("/")
    if family == "node":
        yield Wanted(Type.BACKEND, names.any_service(cluster.name))
    elif family == "peer":
        yield Wanted(Type.PEER, rest)
    yield from _of_socket(cluster.transport_socket)
    for match in cluster.transport_socket_matches:
        yield from _of_socket(match.transport_socket)
    for locality in cluster.load_assignment.endpoints:
        for endpoint in locality.lb_endpoints:
            inside = endpoint.endpoint.address.envoy_internal_address.server_listener_name
            if inside:
                yield Wanted(Type.LISTENER, inside)


def _of_socket(socket: base_pb2.TransportSocket) -> Iterator[Wanted]:
    """Files; identities, bundles and managed certificates come from warden and agent, others from the tenant's SDS."""
    for kind in (tls_pb2.DownstreamTlsContext, tls_pb2.UpstreamTlsContext):
        if socket.typed_config.Is(kind.DESCRIPTOR):
            said = kind.FromString(socket.typed_config.value).common_tls_context
            roots = said.combined_validation_context.validation_context_sds_secret_config
            for each in (*said.tls_certificate_sds_secret_configs, roots):
                if each.sds_config.HasField("ads") and each.name.startswith(f"{names.FILE}/"):
                    yield Wanted(Type.SECRET, each.name)


_READERS = {
    Type.LISTENER: _of_listener,
    Type.ROUTES: _of_routes,
    Type.EXTENSION: _of_extension,
    Type.CLUSTER: _of_cluster,
}
