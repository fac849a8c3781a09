"""listeners: where a proxy takes connections, and which chains they pass.

A listener's bytes change as rarely as can be, for a change drains its connections: routes come by RDS, filters by ECDS,
and nothing in it names the node, so all nodes with one port and one log share it. Addresses are placeholders that the
agent replaces (`isthmus.xds.localise`). A port has one chain per ALPN with a fixed codec, because a private ALPN with
codec AUTO fails (design-notes 13); an HTTP port has no raw TCP chain, which would lead around every HTTP policy.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from envoy.config.core.v3 import address_pb2, base_pb2, protocol_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import BoolValue

from isthmus.ir.families import UNSAID, Families
from isthmus.ir.mesh import AccessLog, Protocol
from isthmus.ir.transport import Shown
from isthmus.values import ALPN_GRPC, ALPN_H1, ALPN_H2, ALPN_TCP, OUTBOUND_PORT
from isthmus.xds import access_logs, app_mesh_tls, egress, names, slots, telemetry, tls
from isthmus.xds.app_mesh_tls import Among
from isthmus.xds.joined import around, field, numbers
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import ADS, lasting, packed

_Hcm = hcm_pb2.HttpConnectionManager
_Filter: TypeAlias = listener_components_pb2.Filter
_Chain: TypeAlias = listener_components_pb2.FilterChain

PLACEHOLDER, OUTBOUND_PLACEHOLDER, TCP_PLACEHOLDER, DNS_PLACEHOLDER = (f"127.0.0.{n}" for n in range(1, 5))
"""Several: no node's port meets `outbound` or a backend's when a real Envoy validates what is not localised yet."""


EARLY_BYTES = 65_536
"""What is kept of a caller's words while the application is being connected to; the caller waits with the rest."""

PROXYLESS_REQUESTS = 1000
"""After how many requests a client without a proxy is asked to connect again: so rarely a handshake costs nothing."""


INSPECTED_WITHIN = 1000
"""Milliseconds that a TCP port which takes plaintext waits for a ClientHello, before the server may speak first."""


def inbound_http(among: Among, port: int, log: AccessLog | None = None, shown: Shown | None = None) -> Resource:
    """An HTTP port of a node: mutual TLS, over HTTP/2 or HTTP/1.1. The application learns its caller by XFCC.

    `shown`: App Mesh's TLS beside the mesh's own, or where it validates its clients instead of that. A client without
    a proxy is let in like any other (`isthmus.xds.proxyless`). Another cluster is one address to it, behind which the
    gateway chooses an instance for each connection: so it has to connect again now and then.
    """
    name = names.inbound(port)
    out = _listening(name, port, base_pb2.INBOUND)
    for alpn, codec in (*_CODECS, (ALPN_GRPC, _Hcm.HTTP2)) if _lets_members_in(shown) else ():
        manager = _asking(name, codec, log)
        if alpn == ALPN_GRPC:
            manager.common_http_protocol_options.max_requests_per_connection.value = PROXYLESS_REQUESTS
        out.filter_chains.append(_authenticated(among, alpn, [_http(manager)]))
    if shown is not None:
        for alpn, codec in _CODECS:
            out.filter_chains.append(app_mesh_tls.between(shown, among, alpn, [_named(name, codec, log)]))
        out.filter_chains.extend(app_mesh_tls.others(shown, app_mesh_tls.HTTP, [_named(name, _Hcm.AUTO, log)]))
    return _resource(out)


_CODECS = ((ALPN_H2, _Hcm.HTTP2), (ALPN_H1, _Hcm.HTTP1))


def inbound_tcp(
    among: Among, port: int, idle: int | None, log: AccessLog | None = None, shown: Shown | None = None
) -> Resource:
    """A TCP port of a node: the mesh's mutual TLS; `shown` as of `inbound_http`.

    The application is connected to when the caller has shown who it is. Earlier, strangers could take the places of its
    pool; and a pool that is full would end the handshake, which a caller's Envoy takes for an instance that is gone: it
    ejects it, and fails all that were connecting with it (measured on 1.40).
    """
    name = names.inbound(port)
    out = _listening(name, port, base_pb2.INBOUND)
    filters = [*slots.tcp_filters(name), piped(name, names.app(port), idle, log, after_handshake=True)]
    if _lets_members_in(shown):
        out.filter_chains.append(_authenticated(among, ALPN_TCP, filters))
    if shown is not None:
        out.filter_chains.append(app_mesh_tls.between(shown, among, ALPN_TCP, filters))
        out.filter_chains.extend(app_mesh_tls.others(shown, (), filters))
    if shown is not None and shown.plaintext:
        _piped_at_once(out.filter_chains[-1], name, port, idle, log)
        out.listener_filters_timeout.CopyFrom(lasting(INSPECTED_WITHIN))
        out.continue_on_listener_filters_timeout = True
    return _resource(out)


def _lets_members_in(shown: Shown | None) -> bool:
    """A member of the mesh that has not the certificate that is demanded would else get in."""
    return shown is None or shown.clients is None


def _piped_at_once(plain: _Chain, name: str, port: int, idle: int | None, log: AccessLog | None) -> None:
    """Without a handshake nothing is there to be waited for."""
    del plain.filters[:]
    plain.filters.extend([*slots.tcp_filters(name), piped(name, names.app(port), idle, log)])


def _asking(name: str, codec: int, log: AccessLog | None) -> hcm_pb2.HttpConnectionManager:
    """Requests to the application, which learns who its caller has shown to be, and nothing that it only says to be."""
    manager = _manager(name, codec, telemetry.INBOUND_PEER, log)
    manager.forward_client_cert_details = _Hcm.SANITIZE_SET
    manager.set_current_client_cert_details.uri = True
    return manager


def _named(name: str, codec: int, log: AccessLog | None) -> _Filter:
    """Requests in App Mesh's TLS: a caller may have names in DNS, too."""
    manager = _asking(name, codec, log)
    manager.set_current_client_cert_details.dns = True
    return _http(manager)


def outbound(log: AccessLog | None = None, families: Families = UNSAID) -> Resource:
    """Where an application sends its requests: routed by Host header (design §9, without interception).

    `families`: of IP, in which hosts are looked up that are no backend.
    """
    out = _listening(names.OUTBOUND, OUTBOUND_PORT, base_pb2.OUTBOUND, inspect=False)
    out.address.socket_address.address = OUTBOUND_PLACEHOLDER
    out.filter_chains.add(filters=[_http(_outbound(log, egress.resolving(families)))])
    return _resource(out)


def outbound_inside(log: AccessLog | None = None) -> Resource:
    """The same inside a gateway, reached without a TCP hop: App Mesh's own way of applying a service's routes.

    It lets nothing out: who may call a gateway could use it to call anyone.
    """
    out = listener_pb2.Listener(name=names.OUTBOUND, traffic_direction=base_pb2.OUTBOUND)
    out.internal_listener.SetInParent()
    out.filter_chains.add(filters=[_http(_outbound(log))])
    return _resource(out)


def tunnel(log: AccessLog | None = None, families: Families = UNSAID) -> Resource:
    """`outbound` again, for the requests that come out of a tunnel to a backend (`isthmus.xds.tunnels`)."""
    out = listener_pb2.Listener(name=names.TUNNEL, traffic_direction=base_pb2.OUTBOUND)
    out.internal_listener.SetInParent()
    out.filter_chains.add(filters=[_http(_outbound(log, egress.resolving(families)))])
    return _resource(out)


def of_service(table: str, log: AccessLog | None = None) -> bytes:
    """The filter for requests for one service, whose routes are in a table of its own; filtered as by `outbound`."""
    before, after = _around_routes(log)
    manager = before + field(_RDS, _FROM_US + field(_TABLE, table.encode())) + after
    return _NAMED + field(_TYPED, _OF_TYPE + field(_VALUE, manager))


@lru_cache(maxsize=256)
def _around_routes(log: AccessLog | None) -> tuple[bytes, ...]:
    return around(_outbound(log), "rds")


_HTTP = "envoy.filters.network.http_connection_manager"
_NAMED: bytes = _Filter(name=_HTTP).SerializeToString(deterministic=True)
_OF_TYPE: bytes = Any(type_url=f"type.googleapis.com/{_Hcm.DESCRIPTOR.full_name}").SerializeToString(deterministic=True)
_FROM_US = hcm_pb2.Rds(config_source=ADS).SerializeToString(deterministic=True)
(_RDS,), (_TABLE,) = numbers(_Hcm, "rds"), numbers(hcm_pb2.Rds, "route_config_name")
(_TYPED,), (_VALUE,) = numbers(_Filter, "typed_config"), numbers(Any, "value")


def ingress(
    port: int, log: AccessLog | None = None, shown: Shown | None = None, protocol: Protocol = Protocol.HTTP
) -> Resource:
    """A port of a virtual gateway, towards the outside: it trusts no header about who the caller is.

    `protocol` is offered in TLS only: what comes in plaintext says by itself what it is.
    """
    name = names.ingress(port)
    out = _listening(name, port, base_pb2.INBOUND, inspect=shown is not None)
    manager = _manager(name, _Hcm.AUTO, telemetry.OUTBOUND_PEER, log)
    manager.use_remote_address.value = True
    if shown is None:
        out.filter_chains.add(filters=[_http(manager)])
        return _resource(out)
    alpn = app_mesh_tls.HTTP if protocol is Protocol.HTTP else app_mesh_tls.HTTP[:1]
    out.filter_chains.append(app_mesh_tls.secured(shown, alpn, [_http(manager)]))
    if shown.plaintext:
        out.filter_chains.append(app_mesh_tls.plaintext([_http(manager)]))
    return _resource(out)


def to_peer(cluster: str) -> Resource:
    """The way to another cluster's gateways, one address per slot (design-notes 7). The TLS inside is not ours.

    How long a connection may be idle is for its two ends to say, and both ends of this one are in this process.
    """
    name = names.to(cluster)
    out = listener_pb2.Listener(name=name, traffic_direction=base_pb2.OUTBOUND)
    out.internal_listener.SetInParent()
    out.filter_chains.add(filters=[*slots.tcp_filters(name), piped(name, names.peer(cluster), 0)])
    return _resource(out)


def inspected() -> listener_components_pb2.ListenerFilter:
    """Reads SNI and ALPN, so that chains can be chosen by them."""
    return listener_components_pb2.ListenerFilter(
        name="envoy.filters.listener.tls_inspector", typed_config=packed(tls_inspector_pb2.TlsInspector())
    )


def piped(
    name: str, cluster: str, idle: int | None, log: AccessLog | None = None, *, after_handshake: bool = False
) -> _Filter:
    """The terminal filter of a TCP chain; `idle` in milliseconds, 0 for no limit, None for Envoy's (one hour).

    `after_handshake`: the cluster is connected to when the caller's TLS stands, not at once.
    """
    proxy = tcp_proxy_pb2.TcpProxy(stat_prefix=name, cluster=cluster, access_log=access_logs.written(log))
    if after_handshake:
        proxy.upstream_connect_mode = tcp_proxy_pb2.ON_DOWNSTREAM_TLS_HANDSHAKE
        proxy.max_early_data_bytes.value = EARLY_BYTES
    if idle is not None:
        proxy.idle_timeout.CopyFrom(lasting(idle))
    return _Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(proxy))


def _listening(name: str, port: int, direction: int, *, inspect: bool = True) -> listener_pb2.Listener:
    address = address_pb2.Address()
    address.socket_address.address = PLACEHOLDER
    address.socket_address.port_value = port
    filters = [inspected()] if inspect else []
    return listener_pb2.Listener(name=name, address=address, traffic_direction=direction, listener_filters=filters)


def _authenticated(among: Among, alpn: str, filters: Iterable[_Filter]) -> _Chain:
    """A chain of the mesh's own, for its SNIs: Envoy looks at names first, and App Mesh's chains may come beside it."""
    match = listener_components_pb2.FilterChainMatch(
        transport_protocol="tls", application_protocols=[alpn], server_names=among.snis
    )
    socket = tls.downstream(among.mesh, alpn)
    return _Chain(name=alpn, filter_chain_match=match, transport_socket=socket, filters=filters)


def _outbound(log: AccessLog | None, *fixed: hcm_pb2.HttpFilter) -> hcm_pb2.HttpConnectionManager:
    manager = _manager(names.OUTBOUND, _Hcm.AUTO, telemetry.OUTBOUND_PEER, log, *fixed)
    manager.strip_trailing_host_dot = True
    return manager


def _manager(
    listener: str, codec: int, peer: str, log: AccessLog | None, *fixed: hcm_pb2.HttpFilter
) -> hcm_pb2.HttpConnectionManager:
    """What all HTTP chains have. Path treatment and websockets are App Mesh's (appmesh.md §3.1)."""
    return _Hcm(
        codec_type=codec,
        stat_prefix=listener,
        rds=hcm_pb2.Rds(config_source=ADS, route_config_name=listener),
        http_filters=slots.http_filters(listener, *fixed),
        http2_protocol_options=protocol_pb2.Http2ProtocolOptions(allow_connect=True),
        access_log=[telemetry.request_stats(peer), *access_logs.written(log)],
        normalize_path=BoolValue(value=True),
        merge_slashes=True,
        path_with_escaped_slashes_action=_Hcm.KEEP_UNCHANGED,
        upgrade_configs=[_Hcm.UpgradeConfig(upgrade_type="websocket")],
    )


def _http(manager: hcm_pb2.HttpConnectionManager) -> _Filter:
    return _Filter(name=_HTTP, typed_config=packed(manager))


def _resource(listener: listener_pb2.Listener) -> Resource:
    return Resource(Type.LISTENER, listener.name, listener.SerializeToString(deterministic=True))
