"""telemetry: what every HTTP chain says of its requests: counted per code × flag × peer × route.

It is part of the listener, so it is there from the first release. Peers and routes are bounded by the definition: a
peer has shown a certificate of the mesh, a route is ours.

No tracer, though: Envoy makes a whole span for each request even where none is ever sampled, which is the half of all
that our configuration takes (docs/decisions/018). A listener gets one when it is asked for.
"""

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.stats.v3 import stats_pb2

from isthmus.xds.sources import packed

INBOUND_PEER, OUTBOUND_PEER = "%DOWNSTREAM_PEER_URI_SAN%", "%UPSTREAM_CLUSTER%"
"""Who the other side is: the caller's identity, or the backend called."""

PREFIX = "isthmus"
"""Envoy 1.40 prefers `stats_scope` to `stat_prefix`, but the published protos (xds-protos 1.85) do not have it yet."""


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
