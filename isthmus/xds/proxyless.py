"""proxyless: what gRPC's own xDS client gets, made from the view that a sidecar of the same node would have.

gRPC asks by name: for a listener called as its target is (`greeter.shop:8080`), for that listener's routes, for their
clusters and for these clusters' endpoints. So a virtual host of `outbound` becomes a listener and a table of its own.
What gRPC does not know it refuses or, worse, passes over in silence (docs/decisions/017 has what was measured on C-core
1.85), so everything here is built anew from what it does know, and what of a definition is lost by that is said.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from isthmus.xds import names, proxyless_backends, proxyless_routes
from isthmus.xds.proxy import Composed
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import ADS, packed

ANY_PORT = ":*"
"""Ends a listener's name that stands for a host with whatever port is asked for."""


class Told(NamedTuple):
    """What a client gets. `lacks`: what the definition says of its calls that gRPC does not do, a sentence each."""

    composed: tuple[Composed, ...]
    lacks: tuple[str, ...]


def compose(view: Iterable[Resource], endpoints: Mapping[str, Resource], bundle: Resource) -> Told:
    """`view` is `node/<node>@<minor>`; `endpoints` from `isthmus.xds.endpoints.endpoints`."""
    by_type = {(r.type, r.name): r for r in view}
    table = route_pb2.RouteConfiguration.FromString(by_type[Type.ROUTES, names.OUTBOUND].body)
    hosts = [host for host in table.virtual_hosts if host.name != names.OTHERWISE]
    out, lacks, called = _hosted(hosts)
    peers = tuple(endpoints[name] for name in sorted(endpoints) if name.startswith(names.peer("")))
    for name in sorted(called):
        cluster = by_type[Type.CLUSTER, name]
        made, lost = proxyless_backends.backend(cluster, endpoints, peers)
        out += made
        lacks |= dict.fromkeys(lost)
    lacks |= dict.fromkeys(_connections(by_type))
    composed = [Composed(r, proven=r.type != Type.ENDPOINTS) for r in out]
    return Told((*composed, Composed(bundle, proven=False)), tuple(lacks))


def listened(listeners: Mapping[str, bytes], asked: str) -> str | None:
    """Under which name the listener of a target is: host names do not know case, and some take any port."""
    name = asked.lower()
    if name in listeners:
        return name
    wild = f"{name.rpartition(':')[0]}{ANY_PORT}"
    return wild if wild in listeners else None


def renamed(body: bytes, name: str) -> bytes:
    """A listener called as it was asked for, which gRPC insists on."""
    message = listener_pb2.Listener.FromString(body)
    message.name = name
    out: bytes = message.SerializeToString(deterministic=True)
    return out


def _hosted(hosts: Iterable[route_components_pb2.VirtualHost]) -> tuple[list[Resource], dict[str, None], set[str]]:
    """Listeners and tables, what they lack, and the clusters that they lead to."""
    out: list[Resource] = []
    lacks: dict[str, None] = {}
    called: set[str] = set()
    for host in hosts:
        routes, lost = proxyless_routes.routes(host)
        out += (_listener(domain.lower(), host.name) for domain in host.domains)
        out.append(_table(host.name, routes))
        lacks |= dict.fromkeys(lost)
        called |= {cluster for route in routes for cluster in proxyless_routes.clusters(route)}
    return out, lacks, called


def _listener(name: str, table: str) -> Resource:
    manager = hcm_pb2.HttpConnectionManager(rds=hcm_pb2.Rds(config_source=ADS, route_config_name=table))
    manager.http_filters.add(name="envoy.filters.http.router", typed_config=packed(router_pb2.Router()))
    out = listener_pb2.Listener(name=name)
    out.api_listener.api_listener.CopyFrom(packed(manager))
    return Resource(Type.LISTENER, name, out.SerializeToString(deterministic=True))


def _table(name: str, routes: Iterable[route_components_pb2.Route]) -> Resource:
    """Every target has a table of its own, so whatever authority it has is right."""
    host = route_components_pb2.VirtualHost(name=name, domains=["*"], routes=routes)
    message = route_pb2.RouteConfiguration(name=name, virtual_hosts=[host])
    return Resource(Type.ROUTES, name, message.SerializeToString(deterministic=True))


def _connections(view: Iterable[tuple[str, str]]) -> Iterator[str]:
    for kind, name in sorted(view):
        if kind == Type.LISTENER and names.connected_port(name) is not None:
            yield f"backends' TCP port {names.connected_port(name)}: gRPC makes calls only"
