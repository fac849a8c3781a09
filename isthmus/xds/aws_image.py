"""aws_image: what an Envoy of App Mesh's own image gets: the same definition behind App Mesh's iptables rules.

Those rules lead what comes for the application to port 15000 and what it sends to 15001, so a node has one inbound
listener whose chains are chosen by the port that was meant. The image's bootstrap has no internal listeners and no
cluster `xds`, so the way to other clusters and traces are left out, and a gateway reaches its own `outbound` by
loopback, as App Mesh's did (appmesh.md §3.1). What a node sends is `isthmus.xds.aws_outbound`'s.

There is no warden on such a host, hence no key and no identity: what would be the mesh's own TLS is plaintext
(docs/decisions/007), and App Mesh's TLS is there as it is written, because the image has files and an SDS of its own.
Only where a port takes both does something read what comes before a chain is chosen: it would keep protocols waiting
whose server speaks first. And the image may be older than the Envoy that a view is made for, so what it would not know
is left out (`isthmus.xds.oldest`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from isthmus.ir.families import Families
from isthmus.xds import aws_outbound, egress, names
from isthmus.xds.app_mesh_tls import PLAIN, SECURED, WITHOUT_PROXY
from isthmus.xds.consistency import asked_for
from isthmus.xds.dual import ANYWHERE
from isthmus.xds.endpoints import app_endpoints, nothing
from isthmus.xds.listeners import INSPECTED_WITHIN
from isthmus.xds.localise import beside, bind
from isthmus.xds.oldest import known
from isthmus.xds.oldest_logs import understood
from isthmus.xds.proxy import DEFAULT_OUTBOUND, Composed
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import lasting, packed

_Hcm = hcm_pb2.HttpConnectionManager
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Capture:
    """Where the iptables rules of a host lead connections. Theirs are the defaults; without rules, tests say others."""

    address: str = "0.0.0.0"  # noqa: S104 - redirected connections arrive at whatever address they were for
    inbound: int = 15000
    outbound: int = DEFAULT_OUTBOUND
    also: str = ""

    def bind(self, listener: listener_pb2.Listener, port: int) -> None:
        """Listen where connections are led."""
        bind(listener, self.address, port)
        if self.also:
            beside(listener, self.also, port)


APP_MESH = Capture()


def of_families(capture: Capture, families: Families) -> Capture:
    """App Mesh's listeners were at IPv4 alone where no `ipPreference` is said, and at both with any (appmesh.md §3.5).

    At two sockets: of a connection to one socket for both Envoy would ask where it was going as if it were IPv6.
    """
    return replace(capture, also=ANYWHERE) if families and capture.address == APP_MESH.address else capture


def compose_node(
    view: Iterable[Resource], endpoints: Mapping[str, Resource], capture: Capture = APP_MESH
) -> list[Composed]:
    """A node's resources: `view` is `node/<node>@<minor>`; `endpoints` must all be plaintext ones."""
    kept = [r for r in view if not _unknown(r) and aws_outbound.takes(r)]
    listeners = [r for r in kept if r.type == Type.LISTENER]
    ports = [p for r in listeners if (p := names.listened_port(r.name, "inbound")) is not None]
    made = [_inbound((r for r in listeners if names.listened_port(r.name, "inbound")), capture)] if ports else []
    made += [_outbound(kept, capture), aws_outbound.original()]
    made += [_plain(r, capture.address, capture) for r in kept if r.type != Type.LISTENER]
    out = [Composed(resource, proven=True) for resource in asked_for(made)]
    apps = {names.app(port): app_endpoints(port, LOOPBACK) for port in ports}
    return [*out, *_assignments(kept, {**endpoints, **apps})]


def compose_gateway(
    view: Iterable[Resource], endpoints: Mapping[str, Resource], capture: Capture = APP_MESH
) -> list[Composed]:
    """A virtual gateway's resources: `ingress/<port>` listens there, `outbound` for the gateway itself alone."""
    kept = [r for r in view if not _unknown(r)]
    out = [Composed(r, proven=True) for r in asked_for([_plain(r, LOOPBACK, capture) for r in kept])]
    return [*out, *_assignments(kept, endpoints)]


def _unknown(resource: Resource) -> bool:
    """What leads through internal listeners: the ways to other clusters, which end in mutual TLS, and tunnels."""
    return resource.name.partition("/")[0] in ("to", "peer", names.TUNNEL)


def _assignments(view: Iterable[Resource], answers: Mapping[str, Resource]) -> Iterator[Composed]:
    for resource in view:
        if resource.type != Type.CLUSTER or resource.name == names.EGRESS:
            continue
        if names.listened_port(resource.name, "self") is None:
            yield Composed(answers.get(resource.name) or nothing(resource.name), proven=False)


def _inbound(listeners: Iterable[Resource], capture: Capture) -> Resource:
    """All ports of a node on one listener."""
    out = listener_pb2.Listener(name=names.IMAGE_INBOUND, traffic_direction=base_pb2.INBOUND)
    capture.bind(out, capture.inbound)
    out.listener_filters.append(aws_outbound.redirected())
    mixed: list[int] = []
    for resource in sorted(listeners, key=lambda r: r.name):
        message = listener_pb2.Listener.FromString(resource.body)
        port = names.listened_port(resource.name, "inbound") or 0
        chains = list(_chains(message, resource.name))
        for chain in chains:
            chain.filter_chain_match.destination_port.value = port
            if len(chains) == 1:
                chain.filter_chain_match.ClearField("transport_protocol")
        if len(chains) > 1:
            mixed.append(port)
            out.continue_on_listener_filters_timeout |= message.continue_on_listener_filters_timeout
        out.filter_chains.extend(chains)
    if mixed:
        out.listener_filters.append(aws_outbound.inspected_at(mixed))
    if out.continue_on_listener_filters_timeout:
        out.listener_filters_timeout.CopyFrom(lasting(INSPECTED_WITHIN))
    return Resource(Type.LISTENER, out.name, out.SerializeToString(deterministic=True))


def _chains(listener: listener_pb2.Listener, name: str) -> Iterator[listener_components_pb2.FilterChain]:
    """App Mesh's TLS and plaintext as they are written; where nothing is, what there is in plaintext."""
    written = [each for each in listener.filter_chains if each.name in _WRITTEN]
    for chain in written or listener.filter_chains[:1]:
        chain.name = f"{name}/{chain.name}" if written else name
        if not written:
            _bare(chain)
        _known(chain, secured=chain.HasField("transport_socket"))
        yield chain


_WRITTEN = (SECURED, PLAIN)


def _outbound(view: Sequence[Resource], capture: Capture) -> Resource:
    """All that a node sends on one listener."""
    out = aws_outbound.listener(view)
    capture.bind(out, capture.outbound)
    for chain in out.filter_chains:
        _known(chain)
    return Resource(Type.LISTENER, out.name, out.SerializeToString(deterministic=True))


def _plain(resource: Resource, address: str, capture: Capture) -> Resource:
    """A resource without the mesh's own TLS; a listener where it is to listen. `address` is `outbound`'s."""
    match resource.type:
        case Type.LISTENER:
            return _listening(resource, address, capture)
        case Type.CLUSTER:
            return _reached(resource, capture)
        case Type.EXTENSION:
            return _filled(resource)
        case Type.ROUTES:
            return _without_tunnels(resource)
    return resource


def _without_tunnels(table: Resource) -> Resource:
    """Nobody asks a proxy that he does not know of for a tunnel, and there would be no way back."""
    message = route_pb2.RouteConfiguration.FromString(table.body)
    for host in message.virtual_hosts:
        kept = [route for route in host.routes if route.route.cluster != names.TUNNEL]
        host.ClearField("routes")
        host.routes.extend(kept)
    return Resource(table.type, table.name, message.SerializeToString(deterministic=True))


def _filled(resource: Resource) -> Resource:
    """A filter that comes by itself: where TCP connections go writes an access log, too."""
    message = extension_pb2.TypedExtensionConfig.FromString(resource.body)
    if not message.typed_config.Is(tcp_proxy_pb2.TcpProxy.DESCRIPTOR):
        return resource
    proxy = tcp_proxy_pb2.TcpProxy.FromString(message.typed_config.value)
    _write_less(proxy)
    message.typed_config.CopyFrom(packed(proxy))
    return Resource(resource.type, resource.name, message.SerializeToString(deterministic=True))


def _listening(resource: Resource, address: str, capture: Capture) -> Resource:
    message = listener_pb2.Listener.FromString(resource.body)
    message.ClearField("internal_listener")
    port = names.listened_port(resource.name, "ingress")
    if port is None:
        bind(message, address, capture.outbound)
    else:
        capture.bind(message, port)
    for chain in message.filter_chains:
        if chain.name not in _WRITTEN:
            _bare(chain)
        _known(chain, secured=chain.HasField("transport_socket"))
    return Resource(resource.type, resource.name, message.SerializeToString(deterministic=True))


def _reached(resource: Resource, capture: Capture) -> Resource:
    message = cluster_pb2.Cluster.FromString(resource.body)
    if message.name == names.EGRESS:
        return aws_outbound.led_on(message)
    written = [each.transport_socket for each in message.transport_socket_matches if each.name == WITHOUT_PROXY]
    message.ClearField("transport_socket")
    message.ClearField("transport_socket_matches")
    for socket in written:
        message.transport_socket.CopyFrom(socket)
    if names.listened_port(message.name, "self") is not None:
        address = message.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address
        address.address, address.port_value = LOOPBACK, capture.outbound
    return Resource(resource.type, resource.name, message.SerializeToString(deterministic=True))


def _bare(chain: listener_components_pb2.FilterChain) -> None:
    """Without the mesh's TLS no ALPN chooses the codec, and nobody shows who he is."""
    chain.ClearField("transport_socket")
    chain.ClearField("filter_chain_match")


def _known(chain: listener_components_pb2.FilterChain, *, secured: bool = False) -> None:
    """Filters as the image knows them."""
    for each in chain.filters:
        if each.typed_config.Is(_Hcm.DESCRIPTOR):
            each.typed_config.CopyFrom(packed(_unasking(_Hcm.FromString(each.typed_config.value), secured=secured)))
        elif each.typed_config.Is(tcp_proxy_pb2.TcpProxy.DESCRIPTOR):
            proxy = tcp_proxy_pb2.TcpProxy.FromString(each.typed_config.value)
            proxy.ClearField("upstream_connect_mode")
            proxy.ClearField("max_early_data_bytes")
            _write_less(proxy)
            each.typed_config.CopyFrom(packed(proxy))


def _unasking(manager: hcm_pb2.HttpConnectionManager, *, secured: bool) -> hcm_pb2.HttpConnectionManager:
    """No name is looked up: the redirection says where a request was going."""
    manager.codec_type = _Hcm.AUTO
    if not secured:
        manager.forward_client_cert_details = _Hcm.SANITIZE
        manager.ClearField("set_current_client_cert_details")
    _write_less(manager)
    filters = [each for each in manager.http_filters if each.name != egress.FILTER]
    manager.ClearField("http_filters")
    manager.http_filters.extend(filters)
    return manager


def _write_less(chain: hcm_pb2.HttpConnectionManager | tcp_proxy_pb2.TcpProxy) -> None:
    """Of the access logs, what the image's Envoy knows."""
    logs = [understood(log) for log in chain.access_log if known(log.typed_config)]
    chain.ClearField("access_log")
    chain.access_log.extend(logs)
