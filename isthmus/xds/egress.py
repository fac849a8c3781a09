"""egress: how a request for a host that is no backend leaves the mesh, where the mesh lets it (ALLOW_ALL).

By Host header: the name is looked up in DNS and called at the port that is said, else at 80. The filter that looks up
is in every sidecar's `outbound`, so that the listener does not depend on that setting (on the mesh's `ipPreference` it
does); without a route to the cluster it does nothing. A gateway has neither, or whoever reaches it could call anyone
(an open proxy).

A name may lead back to where the request came from. The port that is called is the one in the Host header, which no
hop changes: so a proxy that refuses its own port never calls itself, and none of several that call each other does.
A tunnel (CONNECT) goes out the same way, to the port that is said, and what is in it is not looked at.
"""

from collections.abc import Iterable

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.clusters.dynamic_forward_proxy.v3 import cluster_pb2 as forward_pb2
from envoy.extensions.common.dynamic_forward_proxy.v3 import dns_cache_pb2
from envoy.extensions.filters.http.dynamic_forward_proxy.v3 import dynamic_forward_proxy_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from isthmus.ir.families import UNSAID, Families
from isthmus.ir.mesh import Match
from isthmus.values import OUTBOUND_PORT
from isthmus.xds import names, requests, tunnels
from isthmus.xds.backends import CONNECT_TIMEOUT, OPTIONS, limits
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import lasting, packed

WEB = 80
"""The port that a host without one stands for (RFC 9110 §4.2.1)."""

FILTER = "envoy.filters.http.dynamic_forward_proxy"
OWN_PORT = "isthmus: that is this proxy's own port"
_SAID, _PORTS = "isthmus", "ports"
TIMEOUT, RETRIES = 15_000, 2
MOST_HOSTS, MOST_LOOKUPS = 1024, 1024
REFRESH, FORGOTTEN = 60_000, 300_000
"""How often a name is looked up again, and when one that nobody asks for is forgotten: Envoy's own, said."""


def resolving(families: Families) -> hcm_pb2.HttpFilter:
    """Looks up the host of a request that is routed to `cluster`, and of no other."""
    looked = dynamic_forward_proxy_pb2.FilterConfig(dns_cache_config=_remembered(families))
    return hcm_pb2.HttpFilter(name=FILTER, typed_config=packed(looked))


def cluster(families: Families) -> Resource:
    """Whatever a name leads to, over the protocol in which it was asked."""
    out = cluster_pb2.Cluster(
        name=names.EGRESS,
        alt_stat_name=names.EGRESS,
        lb_policy=cluster_pb2.Cluster.CLUSTER_PROVIDED,
        connect_timeout=lasting(CONNECT_TIMEOUT),
        circuit_breakers=limits(),
    )
    out.cluster_type.name = "envoy.clusters.dynamic_forward_proxy"
    out.cluster_type.typed_config.CopyFrom(packed(forward_pb2.ClusterConfig(dns_cache_config=_remembered(families))))
    out.typed_extension_protocol_options[OPTIONS].CopyFrom(packed(_as_asked()))
    return Resource(Type.CLUSTER, out.name, out.SerializeToString(deterministic=True))


def routes(ports: Iterable[int]) -> tuple[bytes, ...]:
    """Out, unless it is to the proxy itself; each route as bytes.

    `ports`: those on which backends take requests. Envoy does nothing with them; where everything is redirected to one
    listener they tell requests from other protocols (`isthmus.xds.aws_outbound`).
    """
    tunnel = route_components_pb2.Route(name=names.EGRESS, match=requests.matched(_TUNNEL), route=tunnels.opened(None))
    tunnel.route.cluster = names.EGRESS
    tunnel.route.retry_policy.retry_on = "connect-failure"
    tunnel.route.retry_policy.num_retries.value = RETRIES
    out = route_components_pb2.Route(name=names.EGRESS, match=route_components_pb2.RouteMatch(prefix="/"))
    out.metadata.filter_metadata[_SAID].fields[_PORTS].list_value.extend(sorted({WEB, *ports}))
    out.route.cluster = names.EGRESS
    out.route.timeout.CopyFrom(lasting(TIMEOUT))
    out.route.retry_policy.retry_on = "connect-failure"
    out.route.retry_policy.num_retries.value = RETRIES
    listed = (_own(Match()), _own(_TUNNEL), tunnel, out)
    return tuple(route.SerializeToString(deterministic=True) for route in listed)


_TUNNEL = Match(method=requests.CONNECT)


def _own(match: Match) -> route_components_pb2.Route:
    """A request, or one for a tunnel, to the proxy itself. What Envoy answers to the latter is 403."""
    out = route_components_pb2.Route(name=names.OWN_PORT, match=requests.matched(match))
    out.match.headers.extend(_at(OUTBOUND_PORT))
    out.direct_response.status = 404
    out.direct_response.body.inline_string = OWN_PORT
    return out


def ports(table: Resource) -> tuple[int, ...] | None:
    """The ports on which there are requests, as `routes` said them; None if nothing is let out."""
    for host in route_pb2.RouteConfiguration.FromString(table.body).virtual_hosts:
        for route in host.routes:
            if route.name == names.EGRESS and _SAID in route.metadata.filter_metadata:
                return tuple(int(port) for port in route.metadata.filter_metadata[_SAID].fields[_PORTS].list_value)
    return None


def localised(table: Resource, port: int) -> Resource:
    """The routes of a proxy that takes requests at another port than the compiler thought."""
    message = route_pb2.RouteConfiguration.FromString(table.body)
    for host in message.virtual_hosts:
        for route in host.routes:
            if route.name == names.OWN_PORT:
                route.match.ClearField("headers")
                route.match.headers.extend(_at(port))
    return Resource(table.type, table.name, message.SerializeToString(deterministic=True))


def _at(port: int) -> tuple[route_components_pb2.HeaderMatcher]:
    """Requests for any host at a port."""
    said = rf":[\s+]*0*{port}\s*"  # every spelling that Envoy reads as this number
    unsaid = rf"([^\[:]*|\[[^\]]*\])({said})?"
    out = route_components_pb2.HeaderMatcher(name=":authority")
    out.string_match.safe_regex.regex = unsaid if port == WEB else f".*{said}"
    return (out,)


_LOOKUP = {
    UNSAID: cluster_pb2.Cluster.ALL,
    (6, 4): cluster_pb2.Cluster.ALL,
    (4, 6): cluster_pb2.Cluster.V4_PREFERRED,
    (4,): cluster_pb2.Cluster.V4_ONLY,
    (6,): cluster_pb2.Cluster.V6_ONLY,
}
"""IPv6 first, as App Mesh's Envoys had it, but both: if one leads nowhere the other is tried too (RFC 8305)."""


def _remembered(families: Families) -> dns_cache_pb2.DnsCacheConfig:
    """The same for filter and cluster, or Envoy refuses the second; otherwise named, or it refuses the change."""
    out = dns_cache_pb2.DnsCacheConfig(
        name=names.remembered(cluster_pb2.Cluster.DnsLookupFamily.Name(_LOOKUP[families])),
        dns_lookup_family=_LOOKUP[families],
        dns_refresh_rate=lasting(REFRESH),
        host_ttl=lasting(FORGOTTEN),
        max_hosts=UInt32Value(value=MOST_HOSTS),
    )
    out.dns_cache_circuit_breaker.max_pending_requests.value = MOST_LOOKUPS
    return out


def _as_asked() -> http_protocol_options_pb2.HttpProtocolOptions:
    out = http_protocol_options_pb2.HttpProtocolOptions()
    out.use_downstream_protocol_config.http_protocol_options.SetInParent()
    out.use_downstream_protocol_config.http2_protocol_options.allow_connect = True
    out.upstream_http_protocol_options.auto_sni = True
    out.upstream_http_protocol_options.auto_san_validation = True
    return out
