"""aws_outbound: what a host of App Mesh's image sends, all of which its iptables rules lead to one listener.

What it is can be told by the port that was meant, and at 443 by the name in TLS:

* a TCP port of a backend goes where the backend says: by the address, if it is the service's own and of a range that
  the rules redirect (they leave out loopback), else by the port (one that is HTTP for another backend too is TCP's);
* to `*.amazonaws.com` at 443 the way is always open, as App Mesh had it: the image itself needs it (appmesh.md §3.1);
* DROP_ALL: everything else is a request for a backend, by Host, or answered 404, or closed if it is no request;
* ALLOW_ALL: the ports on which backends take requests, and 80, are HTTP, where other hosts are called as redirected;
  everything else goes on to where it was going.

A server may speak first everywhere but at 443: only there something reads before a chain is chosen.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from typing import TypeAlias

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from isthmus.xds import egress, names
from isthmus.xds.backends import CONNECT_TIMEOUT, KEEPALIVE_INTERVAL, limits
from isthmus.xds.listeners import inspected, piped
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import lasting, packed

_Chain: TypeAlias = listener_components_pb2.FilterChain
_Filters: TypeAlias = Iterable[listener_components_pb2.Filter]

TLS_PORT = 443
AWS = "*.amazonaws.com"


def listener(view: Sequence[Resource]) -> listener_pb2.Listener:
    """Everything that a node's view says of its calls, on one listener without an address yet."""
    said = {r.name: listener_pb2.Listener.FromString(r.body) for r in view if r.type == Type.LISTENER}
    http = said[names.OUTBOUND]
    out = listener_pb2.Listener(name=http.name, traffic_direction=http.traffic_direction)
    out.listener_filters.extend([redirected(), inspected_at([TLS_PORT])])
    out.continue_on_listener_filters_timeout = True
    tcp = {p: said[names.outbound_tcp(p)].filter_chains[0] for n in said if (p := names.connected_port(n)) is not None}
    out.filter_chains.extend(_at_vip(said[n]) for n in sorted(said) if names.vip_port(n) is not None)
    out.filter_chains.extend(_at(names.outbound_tcp(port), port, tcp[port].filters) for port in sorted(tcp))
    out.filter_chains.append(_to_aws())
    out.filter_chains.extend(_others(http.filter_chains[0].filters, _http_ports(view), frozenset(tcp)))
    return out


def takes(resource: Resource) -> bool:
    """Whether such a listener has a chain for it: of services' addresses those for connections that are redirected.

    Requests need none: whatever address they were for, Host says which service is meant. Nobody asks it for names.
    """
    if resource.type != Type.LISTENER or names.vip_port(resource.name) is None:
        return resource.name != names.DNS
    message = listener_pb2.Listener.FromString(resource.body)
    ends = message.filter_chains[0].filters[-1].HasField("config_discovery")
    return ends and not ip_address(message.address.socket_address.address).is_loopback


def redirected() -> listener_components_pb2.ListenerFilter:
    """Restores the address that a connection was for."""
    return listener_components_pb2.ListenerFilter(
        name="envoy.filters.listener.original_dst", typed_config=packed(original_dst_pb2.OriginalDst())
    )


def original() -> Resource:
    """Where a connection was going."""
    out = cluster_pb2.Cluster(
        name=names.ORIGINAL,
        alt_stat_name=names.ORIGINAL,
        type=cluster_pb2.Cluster.ORIGINAL_DST,
        lb_policy=cluster_pb2.Cluster.CLUSTER_PROVIDED,
        connect_timeout=lasting(CONNECT_TIMEOUT),
        circuit_breakers=limits(),
    )
    out.upstream_connection_options.tcp_keepalive.keepalive_time.value = KEEPALIVE_INTERVAL // 1000
    return Resource(Type.CLUSTER, out.name, out.SerializeToString(deterministic=True))


def led_on(looked_up: cluster_pb2.Cluster) -> Resource:
    """The cluster for hosts that are no backends, which goes where the redirection says instead of asking DNS."""
    out = cluster_pb2.Cluster()
    out.CopyFrom(looked_up)
    out.ClearField("cluster_type")
    out.type = cluster_pb2.Cluster.ORIGINAL_DST
    return Resource(Type.CLUSTER, out.name, out.SerializeToString(deterministic=True))


def _http_ports(view: Iterable[Resource]) -> tuple[int, ...] | None:
    """None if every port is HTTP, because nothing is let out."""
    table = next(r for r in view if r.type == Type.ROUTES and r.name == names.OUTBOUND)
    return egress.ports(table)


def _others(http: _Filters, ports: Sequence[int] | None, tcp: frozenset[int]) -> Iterator[_Chain]:
    """443 needs a chain of its own for other names: where a port has a chain Envoy looks at none without a port."""
    if ports is None:
        yield _Chain(name=names.OUTBOUND, filters=http)
        ports = (TLS_PORT,)
    else:
        yield _on(names.ORIGINAL)
        if TLS_PORT not in {*ports, *tcp}:
            yield _on(f"{names.ORIGINAL}/{TLS_PORT}", TLS_PORT)
    for port in ports:
        if port not in tcp:
            yield _at(f"{names.OUTBOUND}/{port}", port, http)


def _at(name: str, port: int, filters: _Filters) -> _Chain:
    out = _Chain(name=name, filters=filters)
    out.filter_chain_match.destination_port.value = port
    return out


def _at_vip(listener: listener_pb2.Listener) -> _Chain:
    at = listener.address.socket_address
    out = _at(listener.name, at.port_value, listener.filter_chains[0].filters)
    bits = UInt32Value(value=ip_address(at.address).max_prefixlen)
    out.filter_chain_match.prefix_ranges.add(address_prefix=at.address, prefix_len=bits)
    return out


def _on(name: str, port: int | None = None) -> _Chain:
    """On to where it was going. How long that may be idle is not for us to say."""
    filters = [piped(names.ORIGINAL, names.ORIGINAL, 0)]
    return _Chain(name=name, filters=filters) if port is None else _at(name, port, filters)


def _to_aws() -> _Chain:
    out = _on(f"{names.ORIGINAL}/aws", TLS_PORT)
    out.filter_chain_match.transport_protocol = "tls"
    out.filter_chain_match.server_names.append(AWS)
    return out


def inspected_at(ports: Sequence[int]) -> listener_components_pb2.ListenerFilter:
    """Reads what TLS says at these ports, and nothing anywhere else."""
    out, rules = inspected(), [listener_components_pb2.ListenerFilterChainMatchPredicate() for _ in ports]
    for rule, port in zip(rules, ports, strict=True):
        rule.destination_port_range.start, rule.destination_port_range.end = port, port + 1
    if len(rules) == 1:
        out.filter_disabled.not_match.CopyFrom(rules[0])
    else:
        out.filter_disabled.not_match.or_match.rules.extend(rules)
    return out
