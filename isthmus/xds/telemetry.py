"""telemetry: what every HTTP chain says of its requests: counted per code × flag × peer × route, and traced when asked.

Both are part of the listener, so they are there from the first release even while nothing is traced (contracts.md).
Peers and routes are bounded by the definition: a peer has shown a certificate of the mesh, a route is ours.
"""

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import grpc_service_pb2
from envoy.config.trace.v3 import http_tracer_pb2, opentelemetry_pb2
from envoy.extensions.access_loggers.stats.v3 import stats_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.type.v3 import percent_pb2

from isthmus.xds import names
from isthmus.xds.sources import lasting, packed

INBOUND_PEER, OUTBOUND_PEER = "%DOWNSTREAM_PEER_URI_SAN%", "%UPSTREAM_CLUSTER%"
"""Who the other side is: the caller's identity, or the backend called."""

PREFIX = "isthmus"
"""Envoy 1.40 prefers `stats_scope` to `stat_prefix`, but the published protos (xds-protos 1.85) do not have it yet."""

_EXPORT_TIMEOUT = 500


def request_stats(peer: str) -> accesslog_pb2.AccessLog:
    """Counts every request, sums its bytes, and keeps a histogram of its duration, under `PREFIX`."""
    tags = [
        stats_pb2.Config.Tag(name="code", value_format="%RESPONSE_CODE%"),
        stats_pb2.Config.Tag(name="flags", value_format="%RESPONSE_FLAGS%"),
        stats_pb2.Config.Tag(name="peer", value_format=peer),
        stats_pb2.Config.Tag(name="route", value_format="%ROUTE_NAME%"),
    ]
    config = stats_pb2.Config(stat_prefix=PREFIX)
    requests = config.counters.add(stat=stats_pb2.Config.Stat(name="requests", tags=tags))
    requests.value_fixed.value = 1
    for name, value in (("request_bytes", "%BYTES_RECEIVED%"), ("response_bytes", "%BYTES_SENT%")):
        config.counters.add(stat=stats_pb2.Config.Stat(name=name, tags=tags[2:]), value_format=value)
    config.histograms.add(
        stat=stats_pb2.Config.Stat(name="duration", tags=tags[2:]),
        unit=stats_pb2.Config.Histogram.Milliseconds,
        value_format="%DURATION%",
    )
    return accesslog_pb2.AccessLog(name="envoy.access_loggers.stats", typed_config=packed(config))


def tracing() -> hcm_pb2.HttpConnectionManager.Tracing:
    """Spans over OTLP to whoever serves our xDS; none are begun until a policy says so."""
    exporter = grpc_service_pb2.GrpcService(timeout=lasting(_EXPORT_TIMEOUT))
    exporter.envoy_grpc.cluster_name = names.XDS
    provider = http_tracer_pb2.Tracing.Http(
        name="envoy.tracers.opentelemetry",
        typed_config=packed(opentelemetry_pb2.OpenTelemetryConfig(grpc_service=exporter)),
    )
    never = percent_pb2.Percent(value=0)
    return hcm_pb2.HttpConnectionManager.Tracing(
        provider=provider, random_sampling=never, client_sampling=never, overall_sampling=never
    )
