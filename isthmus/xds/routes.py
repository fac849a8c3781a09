"""routes: where requests go: an application's (by Host), a gateway's (by gateway route), those that come in.

One route configuration per listener and proxy, one virtual host per service in it. A gateway sends every request into
its own `outbound`, where the virtual service's routes apply exactly as they do for a sidecar (appmesh.md §3.1), so what
it adds itself must not limit them: no time limit, no retries.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.retry.priority.previous_priorities.v3 import previous_priorities_config_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from isthmus.incremental import Lookup
from isthmus.ir.mesh import (
    Compared,
    Gateway,
    GatewayListener,
    GatewayRoute,
    HeaderMatch,
    Listener,
    Match,
    Retry,
    Route,
    Service,
)
from isthmus.xds import names, requests, shared, tunnels
from isthmus.xds.joined import field, numbers
from isthmus.xds.requests import CONNECT, matched
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import lasting, packed

_Route: TypeAlias = route_components_pb2.Route
_Host: TypeAlias = route_components_pb2.VirtualHost

NO_SUCH_SERVICE = "isthmus: no such service"
NO_WEIGHT = "isthmus: no target of this route has a weight"
ATTEMPTS_AT_HOSTS = 5
"""How often another host is looked for before the same is tried again; App Mesh's (appmesh.md §3.3)."""

_MAX_UINT32 = 2**32 - 1


def inbound(listener: Listener) -> Resource:
    """Everything to the application, within the listener's time limits; requests for a tunnel (CONNECT) as well."""
    name = names.inbound(listener.port)
    tunnel = _Route(name=name, match=matched(Match(method=CONNECT)), route={"upgrade_configs": [tunnels.PASSED_ON]})
    route = _Route(name=name, match=matched(Match()))
    for each in (tunnel, route):
        each.route.cluster = names.app(listener.port)
        _limit(each.route, listener.timeout, listener.idle)
    host = _Host(name=names.app(listener.port), domains=["*"], routes=[tunnel, route])
    return _resource(names.inbound(listener.port), [host])


class Hosted(NamedTuple):
    """A virtual host as bytes, and the domains it is asked for by, in lower case."""

    domains: frozenset[str]
    body: bytes


class Requested(NamedTuple):
    """A service as it is asked for: by Host, and its routes for requests by themselves.

    The routes in their order, serialized, as fields of a virtual host: for its bare name, and by port where ports
    differ.
    """

    hosts: tuple[Hosted, ...]
    bare: bytes
    ports: tuple[tuple[int, bytes], ...]


def requested(service: Service, *, own: bool) -> Requested:
    """`own`: whether the caller has a client policy for this service alone, and so backends of its own."""

    def written(routes: Sequence[Route]) -> bytes:
        return b"".join([field(_ROUTES, _routed(service.name, route, own=own)) for route in routes])

    bare, ports = written(service.routes), tuple((port, written(routes)) for port, routes in service.ports)
    return Requested(_hosts(service, bare, ports, own=own), bare, ports)


def _hosts(service: Service, bare: bytes, ports: Iterable[tuple[int, bytes]], *, own: bool) -> tuple[Hosted, ...]:
    """A service's virtual hosts: by its bare name and any port, or one for each port where they differ.

    A caller that asks for a tunnel (CONNECT) always says a port: one that takes connections, or else one for requests.
    """
    name = service.name
    tunnelled = {port.port: field(_ROUTES, tunnels.to_connections(name, port, own=own)) for port in service.tcp}
    if not service.ports:
        routes = b"".join((*tunnelled.values(), _for_requests(name, bare)))
        return (_hosted(names.service(name), (name, f"{name}:*"), routes),)
    by_port = [(p, _for_requests(name, routes)) for p, routes in ports] + [*tunnelled.items()]
    return _hosted(names.service(name), (name,), bare), *(
        _hosted(names.service(name, p), (f"{name}:{p}",), routes) for p, routes in sorted(by_port)
    )


def at_vip(service: str, by: Requested, port: int, address: str) -> Resource:
    """The table of a port for requests at one of a service's own addresses: its routes, whatever Host says."""
    host = _hosted(names.service(service), ("*",), dict(by.ports).get(port, by.bare))
    return _table([host.body], names.outbound_vip(service, port, six=":" in address))


def _for_requests(name: str, routes: bytes) -> bytes:
    """A port for requests: what its routes do not say of tunnels is that what comes out of them are requests."""
    return routes + field(_ROUTES, tunnels.to_requests(name)) if routes else b""


def outbound(virtual_hosts: Iterable[Hosted], *, otherwise: Iterable[bytes] = ()) -> Resource:
    """What an application may call; anything else is a 404 that says whose it is. Host names do not know case.

    `otherwise`: routes, as bytes, that are tried for any other name.
    """
    kept: list[bytes] = []
    taken: set[str] = set()
    for host in virtual_hosts:
        if taken.isdisjoint(host.domains):
            taken |= host.domains
            kept.append(host.body)
    return _table([*kept, _otherwise(otherwise)])


def inside(by_header: Iterable[bytes]) -> Resource:
    """What `ingress` sends into the mesh: by App Mesh's header, which it sets, and never by Host, which a caller may.

    A route that keeps the caller's Host would else lead to whatever service of the gateway is asked for by name.
    """
    return _table([_otherwise(by_header)])


def _otherwise(routes: Iterable[bytes]) -> bytes:
    return b"".join((_ANY_OTHER, *(field(_ROUTES, route) for route in routes), _NOTHING))


def _table(hosts: Iterable[bytes], name: str = names.OUTBOUND) -> Resource:
    listed = (field(_VIRTUAL_HOSTS, host) for host in hosts)
    return Resource(Type.ROUTES, name, b"".join((field(_NAME, name.encode()), *listed)))


_NAME, _DOMAINS, _ROUTES = numbers(_Host, "name", "domains", "routes")
(_VIRTUAL_HOSTS,) = numbers(route_pb2.RouteConfiguration, "virtual_hosts")


def _hosted(name: str, domains: tuple[str, ...], routes: bytes) -> Hosted:
    """`routes`: as fields of a virtual host."""
    parts = [field(_NAME, name.encode()), *(field(_DOMAINS, domain.encode()) for domain in domains), routes]
    return Hosted(frozenset(map(str.lower, domains)), b"".join(parts))


def ingress(listener: GatewayListener, services: Lookup[Service]) -> Resource:
    """A gateway's port: one virtual host for all names, so that priorities hold across them; names are conditions."""
    way = names.inside(listener.port)
    routes = [r for said in listener.routes for r in _into_mesh(said, _led(said, services), way)]
    name = names.ingress(listener.port)
    return _resource(name, [_Host(name=name, domains=["*"], routes=routes)])


class Asked(NamedTuple):
    """A service as a gateway's request names it once inside: with the port where that makes a difference."""

    text: str
    service: str
    port: int | None


def asked(gateway: Gateway, services: Lookup[Service]) -> tuple[Asked, ...]:
    """All that a gateway's routes ask for, each once, in the order of the texts."""
    found: dict[str, Asked] = {}
    for route in (route for listener in gateway.listeners for route in listener.routes):
        service = _led(route, services)
        if service is not None:
            text = _text(route, service)
            found[text] = Asked(text, route.service, route.port)
    return tuple(found[text] for text in sorted(found))


def by_header(said: Asked, service: Service) -> tuple[bytes, ...]:
    """The routes of a service that a gateway's routes lead to, under the name by which they ask for it, as bytes."""
    header = HeaderMatch(names.MESH_SERVICE_HEADER, Compared.EXACT, said.text)
    return tuple(_routed(service.name, r, header) for r in dict(service.ports).get(said.port or 0, service.routes))


def _led(route: GatewayRoute, services: Lookup[Service]) -> Service | None:
    """The service that a gateway route leads to; None if there is none, or none that takes requests on its port."""
    service = services.get(route.service)
    closed = service is not None and bool(service.listens) and route.port not in (None, *service.listens)
    return None if closed else service


def _text(route: GatewayRoute, service: Service) -> str:
    """No service that can be asked for has a slash in its name, but one may be called like another's host and port."""
    return f"{service.name}/{route.port}" if service.ports and route.port is not None else service.name


def _into_mesh(said: GatewayRoute, service: Service | None, way: str) -> Iterator[_Route]:
    for match in _spellings(said):
        name = names.gateway_route(*said.of)
        if service is None:
            out = _answered(name, 404, NO_SUCH_SERVICE)
            out.match.CopyFrom(matched(match))
            yield out
            continue
        out = _Route(name=name, match=matched(match))
        out.route.cluster = way
        _limit(out.route, 0, None)
        if said.path is not None and said.path != match.path:
            out.route.prefix_rewrite = said.path
        if said.rewrite_host:
            ported = service.ports and said.port is not None
            out.route.host_rewrite_literal = f"{service.name}:{said.port}" if ported else service.name
        text = _text(said, service).replace("%", "%%")  # Envoy takes a value for a format
        header = base_pb2.HeaderValue(key=names.MESH_SERVICE_HEADER, value=text)
        overwrite = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        out.request_headers_to_add.add(header=header, append_action=overwrite)
        yield out


def _spellings(said: GatewayRoute) -> tuple[Match, ...]:
    """A prefix without a slash at its end that is rewritten is two prefixes, or `/p/x` would become `//x`."""
    match = said.match
    if said.path is None or match.how is not Compared.PREFIX or match.path.endswith("/"):
        return (match,)
    return match._replace(path=f"{match.path}/"), match


def _routed(service: str, said: Route, header: HeaderMatch | None = None, *, own: bool = False) -> bytes:
    """A virtual service's route. Envoy refuses a sum of weights of 0, which App Mesh's API allows.

    `header`: what its requests have besides, which is taken off them.
    """
    name = names.route(*said.of) if said.of is not None else names.whole(service)
    also, without = ((), "") if header is None else ((header,), header.name)
    if not any(target.weight for target in said.targets):
        out = _answered(name, 503, NO_WEIGHT)
        out.match.CopyFrom(matched(said.match, *also))
        out.request_headers_to_remove.extend([without] if without else [])
        body: bytes = out.SerializeToString(deterministic=True)
        return body
    rest = _limited(said.timeout, said.idle, said.retry, tunnelled=requests.tunnels(said.match))
    action = shared.among(said.targets, service if own else None, rest)
    return shared.route(name, requests.written(said.match, *also), action, without)


@lru_cache(maxsize=1024)
def _limited(timeout: int, idle: int | None, retry: Retry | None, *, tunnelled: bool) -> bytes:
    """What most routes have in common."""
    out = route_components_pb2.RouteAction()
    _limit(out, timeout, idle)
    if retry is not None:
        out.retry_policy.CopyFrom(_retried(retry))
    if tunnelled:
        out.upgrade_configs.append(tunnels.PASSED_ON)
    body: bytes = out.SerializeToString(deterministic=True)
    return body


def _limit(action: route_components_pb2.RouteAction, timeout: int, idle: int | None) -> None:
    """Milliseconds; 0 is no limit to Envoy too."""
    action.timeout.CopyFrom(lasting(timeout))
    if idle is not None:
        action.idle_timeout.CopyFrom(lasting(idle))


def _retried(retry: Retry) -> route_components_pb2.RetryPolicy:
    """Another host first, and after that another priority: a retry must not meet the instance that just failed."""
    conditions = (*retry.conditions, *(("retriable-status-codes",) if retry.statuses else ()))
    out = route_components_pb2.RetryPolicy(
        retry_on=",".join(conditions),
        num_retries=UInt32Value(value=min(retry.attempts, _MAX_UINT32)),
        retriable_status_codes=retry.statuses,
        host_selection_retry_max_attempts=ATTEMPTS_AT_HOSTS,
        retry_host_predicate=[_OTHER_HOSTS],
        retry_priority=_OTHER_PRIORITIES,
    )
    if retry.per_try is not None:
        out.per_try_timeout.CopyFrom(lasting(retry.per_try))
    return out


_OTHER_HOSTS = route_components_pb2.RetryPolicy.RetryHostPredicate(
    name="envoy.retry_host_predicates.previous_hosts",
    typed_config=packed(previous_hosts_pb2.PreviousHostsPredicate()),
)
_OTHER_PRIORITIES = route_components_pb2.RetryPolicy.RetryPriority(
    name="envoy.retry_priorities.previous_priorities",
    typed_config=packed(previous_priorities_config_pb2.PreviousPrioritiesConfig(update_frequency=1)),
)


def _answered(name: str, status: int, body: str) -> _Route:
    out = _Route(name=name, match=matched(Match()))
    out.direct_response.status = status
    out.direct_response.body.inline_string = body
    return out


def _resource(name: str, virtual_hosts: Iterable[_Host]) -> Resource:
    message = route_pb2.RouteConfiguration(name=name, virtual_hosts=virtual_hosts)
    return Resource(Type.ROUTES, name, message.SerializeToString(deterministic=True))


_ANY_OTHER = field(_NAME, names.OTHERWISE.encode()) + field(_DOMAINS, b"*")
_NOTHING = field(_ROUTES, _answered(names.OUTBOUND, 404, NO_SUCH_SERVICE).SerializeToString(deterministic=True))
