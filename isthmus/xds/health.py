"""health: how Envoy asks whether a host is well.

A node's clients ask each instance of their own cluster, through its proxy where it has one, and that proxy asks its
application for itself: so callers from elsewhere, who do not ask, get a 503 at once from an instance that is not well,
and leave it by their own outlier detection. A question travels as the requests do. Between proxies that is the wire's
codec and not the check's, because the listener there takes no other; on a port of raw bytes it is the check's.

Envoy has counts of failures only for silence and for statuses that it may retry (all of them, here). `NOT_SERVING` of
gRPC counts at once. What was measured, and what a check costs, is in docs/decisions/010.
"""

from envoy.config.core.v3 import health_check_pb2
from envoy.type.v3 import http_pb2, range_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from isthmus.ir.mesh import HealthCheck, Protocol
from isthmus.xds.sources import lasting

_ANY_STATUS = range_pb2.Int64Range(start=100, end=600)
"""Otherwise one answer that is not 200 would be enough, whatever `unhealthyThreshold` says."""


AGAIN = 1000
"""How often a proxy asks its own application that is not well, in milliseconds.

Clients hear the proxy's 503 until it thinks better of the application, and begin to count only then: with the interval
that is said, an application would wait twice for what it had to wait for once in App Mesh.
"""


def needs_http2(check: HealthCheck | None) -> bool:
    """Whether the check makes Envoy demand a cluster of HTTP/2, also before raw bytes, where that is all it does."""
    return check is not None and check.protocol is Protocol.GRPC


def of_instances(protocol: Protocol, check: HealthCheck | None, *, http2: bool) -> list[health_check_pb2.HealthCheck]:
    """What clients ask of a port of this protocol. At most one.

    `http2`: whether requests travel in HTTP/2, which says nothing of raw bytes.
    """
    if check is None:
        return []
    return [_check(check, http2=check.protocol is Protocol.HTTP2 if protocol is Protocol.TCP else http2)]


def of_application(protocol: Protocol, check: HealthCheck | None, *, http2: bool) -> list[health_check_pb2.HealthCheck]:
    """What a proxy asks its application: the same, but sooner again while it is not well."""
    out = of_instances(protocol, check, http2=http2)
    for each in out:
        each.unhealthy_interval.CopyFrom(lasting(AGAIN))
    return out


def _check(said: HealthCheck, *, http2: bool) -> health_check_pb2.HealthCheck:
    out = health_check_pb2.HealthCheck(
        timeout=lasting(said.timeout),
        interval=lasting(said.interval),
        no_traffic_interval=lasting(said.interval),
        unhealthy_threshold=UInt32Value(value=said.unhealthy),
        healthy_threshold=UInt32Value(value=said.healthy),
    )
    match said.protocol:
        case Protocol.TCP:
            out.tcp_health_check.SetInParent()
        case Protocol.GRPC:
            out.grpc_health_check.authority = said.host
        case _:
            asked = out.http_health_check
            asked.host, asked.path = said.host, said.path
            asked.codec_client_type = http_pb2.HTTP2 if http2 else http_pb2.HTTP1
            asked.retriable_statuses.append(_ANY_STATUS)
    return out
