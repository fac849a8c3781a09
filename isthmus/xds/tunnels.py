"""tunnels: what a CONNECT request becomes: connections to a TCP port, requests again, or a request like any other.

A client that is told of a proxy (HTTPS_PROXY, `curl --proxytunnel`) asks it for `name:port` and then speaks as it would
to that. Measured on Envoy 1.40: a route that says so takes tunnels where its listener says nothing of them, so no
listener changes; where no route does, the answer is 404, or 403 from one that leads elsewhere. What comes out of a
tunnel to a service's HTTP is sent through `outbound` once more, by an internal listener, so all of it holds.
"""

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import route_components_pb2

from isthmus.ir.mesh import Match, TcpPort
from isthmus.xds import names, shared
from isthmus.xds.backends import CONNECT_TIMEOUT, limits
from isthmus.xds.requests import CONNECT, matched, written
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import lasting

_Upgrade = route_components_pb2.RouteAction.UpgradeConfig
_TYPE = "CONNECT"

PASSED_ON = _Upgrade(upgrade_type=_TYPE)
"""The request goes on as it is, and is for its target to answer."""

_OPENED = _Upgrade(upgrade_type=_TYPE, connect_config=_Upgrade.ConnectConfig())
"""The request ends here: the target gets what is in the tunnel."""

IDLE = 3_600_000
"""How long a tunnel may say nothing, where its service does not say: as for connections without one."""

RETRIES = 2
"""As many more attempts to connect as connections without a tunnel have (`isthmus.xds.tcp`)."""


def to_connections(service: str, port: TcpPort, *, own: bool = False) -> bytes:
    """To a TCP port of a service: what is in the tunnel is a connection like any other to it.

    `own`: whether the caller has a client policy for this service alone, and so backends of its own.
    """
    name, match = names.tcp(service, port.port), matched(Match(method=CONNECT))
    authority = match.headers.add(name=":authority")
    authority.string_match.exact, authority.string_match.ignore_case = f"{service}:{port.port}", True
    if not any(target.weight for target in port.targets):
        out = route_components_pb2.Route(name=name, match=match)
        out.direct_response.status = 503
        body: bytes = out.SerializeToString(deterministic=True)
        return body
    rest = opened(port.idle)
    rest.retry_policy.retry_on = "connect-failure"
    rest.retry_policy.num_retries.value = RETRIES
    action = shared.among(port.targets, service if own else None, rest.SerializeToString(deterministic=True))
    return shared.route(name, match.SerializeToString(deterministic=True), action)


def to_requests(service: str) -> bytes:
    """To whatever port takes requests: what is in the tunnel are requests like any other."""
    return shared.route(names.service(service), *_TO_REQUESTS)


def opened(idle: int | None) -> route_components_pb2.RouteAction:
    """A tunnel that ends here, open while it is used; `idle` in milliseconds, 0 for no limit, None for ours."""
    out = route_components_pb2.RouteAction(timeout=lasting(0), idle_timeout=lasting(IDLE if idle is None else idle))
    out.upgrade_configs.append(_OPENED)
    return out


def _to_requests() -> tuple[bytes, bytes]:
    action = opened(None)
    action.cluster = names.TUNNEL
    return written(Match(method=CONNECT)), action.SerializeToString(deterministic=True)


_TO_REQUESTS = _to_requests()


def back() -> Resource:
    """The way from a tunnel into `outbound`."""
    out = cluster_pb2.Cluster(
        name=names.TUNNEL,
        alt_stat_name=names.TUNNEL,
        type=cluster_pb2.Cluster.STATIC,
        connect_timeout=lasting(CONNECT_TIMEOUT),
        circuit_breakers=limits(),
    )
    out.load_assignment.cluster_name = names.TUNNEL
    endpoint = out.load_assignment.endpoints.add().lb_endpoints.add().endpoint
    endpoint.address.envoy_internal_address.server_listener_name = names.TUNNEL
    return Resource(Type.CLUSTER, out.name, out.SerializeToString(deterministic=True))
