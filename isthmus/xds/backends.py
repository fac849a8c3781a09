"""backends: how a proxy reaches what it may call: other nodes, its own application, other clusters' gateways.

The numbers are measured ones (envoy.md §12). Panic is off and health changes are not merged over time, because a host
that was given back too early is otherwise used for a second more; an instance is ejected for what its transport and its
proxy say (reset, 502, 503, 504), not for the application's own 500s, unless its node declares that it wants it so.
"""

from functools import lru_cache
from typing import NamedTuple

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2, outlier_detection_pb2
from envoy.config.core.v3 import address_pb2, protocol_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import UInt32Value

from isthmus.ir.mesh import GatewayListener, HealthCheck, Listener, Node, Outlier, Pool, Protocol
from isthmus.ir.transport import Calling
from isthmus.values import ALPN_H1, ALPN_H2, ALPN_TCP
from isthmus.xds import app_mesh_tls, health, names, tls
from isthmus.xds.joined import around, field, numbers
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import ADS, lasting, packed

UNLIMITED = 2**31 - 1
"""App Mesh's "no limit" of circuit breakers (appmesh.md §3.3)."""

_MAX_UINT32 = 2**32 - 1

CONNECT_TIMEOUT = 2000
"""App Mesh's second, doubled: between regions a lost SYN alone costs one (RFC 6298 §2)."""

APP_CONNECT_TIMEOUT = 1000
KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT = 30_000, 5_000
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class Wire(NamedTuple):
    """How requests, or (without options) connections, travel to a backend."""

    alpn: str
    options: Any | None


def _http1() -> Any:
    out = http_protocol_options_pb2.HttpProtocolOptions()
    out.explicit_http_config.http_protocol_options.SetInParent()
    return packed(out)


def _http2(streams: int | None = None) -> Any:
    out = http_protocol_options_pb2.HttpProtocolOptions()
    options = out.explicit_http_config.http2_protocol_options
    options.allow_connect = True
    if streams is not None:
        options.max_concurrent_streams.value = streams
    options.connection_keepalive.CopyFrom(
        protocol_pb2.KeepaliveSettings(interval=lasting(KEEPALIVE_INTERVAL), timeout=lasting(KEEPALIVE_TIMEOUT))
    )
    return packed(out)


H1, H2, RAW = Wire(ALPN_H1, _http1()), Wire(ALPN_H2, _http2()), Wire(ALPN_TCP, None)
_ONE_AT_A_TIME = _http2(streams=1)


def wire(protocol: Protocol, *, permissive: bool) -> Wire:
    """HTTP/2, but HTTP/1.1 for `http` where the called node is permissive, and bytes as they are for `tcp`.

    There an endpoint may be an application without a proxy, which speaks HTTP/1.1 only, and Envoy knows one protocol
    per backend, not per endpoint.
    """
    if protocol is Protocol.TCP:
        return RAW
    return H1 if permissive and protocol is Protocol.HTTP else H2


_KEEPALIVE_OF_HTTP = address_pb2.TcpKeepalive(keepalive_time=UInt32Value(value=KEEPALIVE_INTERVAL // 1000))
_KEEPALIVE = address_pb2.TcpKeepalive(
    keepalive_time=UInt32Value(value=KEEPALIVE_INTERVAL // 1000),
    keepalive_interval=UInt32Value(value=10),
    keepalive_probes=UInt32Value(value=3),
)
"""Nothing else notices that a connection's other end is gone: about a minute, where Linux alone takes 12."""


def backend(
    node: Node, listener: Listener, *, permissive: bool, secured: Calling | None = None, service: str | None = None
) -> Resource:
    """A port of a node as its clients see it. The transport is each endpoint's own; TLS where it says none.

    `secured`: App Mesh's TLS instead of the mesh's own, or of plaintext. `service`: the only one that calls this way.

    An instance that is ejected keeps its TCP connections: it may be one that only takes no more, and ending those that
    it has taken would cost their callers what they are in the middle of. One that is gone is noticed by keepalive.
    """
    name, alpn = names.backend(node.name, listener.port, service), wire(listener.protocol, permissive=permissive).alpn
    before, between, then, _ = _around(listener.protocol, listener.outlier, listener.check, permissive=permissive)
    if secured is not None and secured.proxied:
        socket = app_mesh_tls.upstream(secured, alpn).SerializeToString(deterministic=True)
    else:
        socket = tls.upstream(node.identities, alpn)
    bare = _PLAINTEXT if permissive else b""
    if secured is not None and secured.bare:
        bare = field(_MATCHES, app_mesh_tls.without_proxy(secured, alpn).SerializeToString(deterministic=True))
    named, counted = field(_NAME, name.encode()), field(_STAT, names.stat(name).encode())
    body = b"".join((named, before, field(_SOCKET, socket), between, counted, then, bare))
    return Resource(Type.CLUSTER, name, body)


@lru_cache(maxsize=256)
def _around(
    protocol: Protocol, outlier: Outlier | None, check: HealthCheck | None, *, permissive: bool
) -> tuple[bytes, ...]:
    """What backends have in common whose listeners say the same, around what each has of its own."""
    out = _discovered("", CONNECT_TIMEOUT)
    chosen = wire(protocol, permissive=permissive)
    options = _options(check, chosen)
    if options is not None:
        out.typed_extension_protocol_options[OPTIONS].CopyFrom(options)
    out.outlier_detection.CopyFrom(_declared(outlier) if outlier else _SANE)
    out.common_lb_config.CopyFrom(_NO_PANIC)
    out.close_connections_on_host_health_failure = chosen is not RAW
    out.upstream_connection_options.tcp_keepalive.CopyFrom(_KEEPALIVE if chosen is RAW else _KEEPALIVE_OF_HTTP)
    out.health_checks.extend(health.of_instances(protocol, check, http2=chosen is H2))
    out.ignore_health_on_host_removal = bool(out.health_checks)  # an instance that is gone is gone, however well
    return around(out, "transport_socket", "alt_stat_name", "transport_socket_matches")


_NAME, _SOCKET, _STAT, _MATCHES = numbers(
    cluster_pb2.Cluster, "name", "transport_socket", "alt_stat_name", "transport_socket_matches"
)
_PLAINTEXT = field(_MATCHES, tls.plaintext().SerializeToString(deterministic=True))


def app(listener: Listener) -> Resource:
    """The application behind a node's port; the listener's pool is its limit. One that is not well is not called."""
    out = _discovered(names.app(listener.port), APP_CONNECT_TIMEOUT, listener.pool)
    chosen = {Protocol.HTTP: H1, Protocol.TCP: RAW}.get(listener.protocol, H2)
    options = _options(listener.check, chosen)
    if options is not None:
        out.typed_extension_protocol_options[OPTIONS].CopyFrom(options)
    if listener.check is not None:
        out.health_checks.extend(health.of_application(listener.protocol, listener.check, http2=chosen is H2))
        out.common_lb_config.CopyFrom(_NO_PANIC)
    return _resource(out)


def _options(check: HealthCheck | None, chosen: Wire) -> Any | None:
    """Of HTTP; before raw bytes too where a check demands a cluster that has them, which changes nothing for these."""
    return H2.options if chosen is RAW and health.needs_http2(check) else chosen.options


def peer(cluster: str) -> Resource:
    """Another cluster's gateways; bytes only, the TLS within is end to end. One that refuses is left for a while."""
    out = _discovered(names.peer(cluster), CONNECT_TIMEOUT)
    out.outlier_detection.CopyFrom(_SANE)
    out.common_lb_config.update_merge_window.SetInParent()
    out.upstream_connection_options.tcp_keepalive.keepalive_time.value = KEEPALIVE_INTERVAL // 1000
    return _resource(out)


def inside(listener: GatewayListener) -> Resource:
    """The way from a gateway's port to its own `outbound`, within the process; the port's pool is its limit.

    Always HTTP/2, so that a pool does not change what can pass (gRPC's trailers); where connections are to be limited
    each carries one request at a time, as one of HTTP/1.1 would.
    """
    pool = listener.pool or Pool()
    out = cluster_pb2.Cluster(
        name=names.inside(listener.port),
        type=cluster_pb2.Cluster.STATIC,
        connect_timeout=lasting(APP_CONNECT_TIMEOUT),
        circuit_breakers=limits(pool),
    )
    options = H2.options if pool.connections is None else _ONE_AT_A_TIME
    out.typed_extension_protocol_options[OPTIONS].CopyFrom(options)
    out.load_assignment.cluster_name = out.name
    endpoint = out.load_assignment.endpoints.add().lb_endpoints.add().endpoint
    endpoint.address.envoy_internal_address.server_listener_name = names.OUTBOUND
    return _resource(out)


def _discovered(name: str, connect: int, pool: Pool | None = None) -> cluster_pb2.Cluster:
    return cluster_pb2.Cluster(
        name=name,
        alt_stat_name=names.stat(name),
        type=cluster_pb2.Cluster.EDS,
        eds_cluster_config=cluster_pb2.Cluster.EdsClusterConfig(eds_config=ADS),
        connect_timeout=lasting(connect),
        circuit_breakers=limits(pool),
    )


def limits(pool: Pool | None = None) -> circuit_breaker_pb2.CircuitBreakers:
    """Envoy's own limits are 1024 each, which no user of App Mesh has ever met."""
    pool = pool or Pool()
    threshold = circuit_breaker_pb2.CircuitBreakers.Thresholds(
        max_connections=_limit(pool.connections),
        max_pending_requests=_limit(pool.pending),
        max_requests=_limit(pool.requests),
        max_retries=_limit(None),
    )
    return circuit_breaker_pb2.CircuitBreakers(thresholds=[threshold])


def _limit(value: int | None) -> UInt32Value:
    return UInt32Value(value=UNLIMITED if value is None else value)


def _sane() -> outlier_detection_pb2.OutlierDetection:
    """Five in a row, so that one request with its two retries ejects nobody."""
    return outlier_detection_pb2.OutlierDetection(
        split_external_local_origin_errors=True,
        consecutive_local_origin_failure=UInt32Value(value=2),
        consecutive_gateway_failure=UInt32Value(value=5),
        enforcing_consecutive_gateway_failure=UInt32Value(value=100),
        enforcing_consecutive_5xx=UInt32Value(value=0),
        enforcing_success_rate=UInt32Value(value=0),
        enforcing_local_origin_success_rate=UInt32Value(value=0),
        interval=lasting(500),
        base_ejection_time=lasting(3000),
        max_ejection_time=lasting(30_000),
        max_ejection_time_jitter=lasting(0),
        max_ejection_percent=UInt32Value(value=100),
    )


_SANE = _sane()


def _declared(outlier: Outlier) -> outlier_detection_pb2.OutlierDetection:
    """What the server's listener says, for its clients; Envoy refuses times of 0."""
    out = _sane()
    out.ClearField("max_ejection_time")
    out.consecutive_5xx.value = min(outlier.errors, _MAX_UINT32)
    out.enforcing_consecutive_5xx.value = 100
    out.enforcing_consecutive_gateway_failure.value = 0
    out.interval.CopyFrom(lasting(max(outlier.interval, 1)))
    out.base_ejection_time.CopyFrom(lasting(max(outlier.ejection, 1)))
    out.max_ejection_percent.value = outlier.percent
    return out


def _no_panic() -> cluster_pb2.Cluster.CommonLbConfig:
    out = cluster_pb2.Cluster.CommonLbConfig()
    out.healthy_panic_threshold.value = 0
    out.update_merge_window.SetInParent()
    return out


_NO_PANIC = _no_panic()


def _resource(cluster: cluster_pb2.Cluster) -> Resource:
    return Resource(Type.CLUSTER, cluster.name, cluster.SerializeToString(deterministic=True))
