"""stock: what a person would write by hand for stock Envoys that do the same as ours: mutual TLS, HTTP/2, one route.

The least that keeps the same promises to a request (TLS 1.3 on both sides, the caller proven by a SPIFFE ID, one TLS
session from client to server through a gateway that routes on SNI, two retries), and nothing that Isthmus adds: no
filters but the router, no statistics per caller, no limits, no ejection, no discovery. No benchmark itself.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.contract.envoy.certificates import Domain

Json = dict[str, Any]
ALPN = {"HTTP2": "stock-h2", "HTTP1": "stock-h1"}
NAMED = "any.isthmus.internal"
"""The SNI by which the gateway knows the server."""

BODY = "x" * 1024
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS_1_3 = {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"}


class At(NamedTuple):
    """An address and a port."""

    address: str
    port: int

    @property
    def json(self) -> Json:
        """As Envoy wants it."""
        return {"socket_address": {"address": self.address, "port_value": self.port}}


Made = Callable[[Path], Mapping[str, Any]]


def application(at: At) -> Made:
    """What stands behind every way: an Envoy that answers by itself, so that no Python of ours is in the measure."""
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": BODY}}}
    return _envoy([_listener(at, [{"filters": [_manager("AUTO", answer)]}])], [])


def client(at: At, to: At, caller: tuple[bytes, bytes], domain: Domain, server: str) -> Made:
    """A client's sidecar: plain HTTP/1.1 in, HTTP/2 in mutual TLS out."""
    retries = {"retry_on": "reset,refused-stream,connect-failure", "num_retries": 2}
    routed = {"match": {"prefix": "/"}, "route": {"cluster": "server", "retry_policy": retries}}
    context = _common(caller, domain, {"exact": server}, "HTTP2")
    tls = _typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", common_tls_context=context, sni=NAMED)
    cluster = _cluster("server", to, http2=True) | {"transport_socket": {"name": "tls", "typed_config": tls}}
    return _envoy([_listener(at, [{"filters": [_manager("AUTO", routed)]}])], [cluster])


def server(at: At, app: At, own: tuple[bytes, bytes], domain: Domain) -> Made:
    """A server's sidecar: mutual TLS in, one chain per protocol, plain HTTP/1.1 to the application."""
    routed = {"match": {"prefix": "/"}, "route": {"cluster": "app"}}
    chains = [_authenticated(codec, routed, own, domain) for codec in ALPN]
    return _envoy([_listener(at, chains, _INSPECTED)], [_cluster("app", app)])


def gateway(at: At, to: At) -> Made:
    """Passes TLS through to the server that its SNI names."""
    proxy = _typed("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", stat_prefix="gateway", cluster="server")
    chain = {"filter_chain_match": {"server_names": [NAMED]}, "filters": [{"name": "tcp", "typed_config": proxy}]}
    return _envoy([_listener(at, [chain], _INSPECTED)], [_cluster("server", to)])


_INSPECTED = ["envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"]


def _envoy(listeners: list[Json], clusters: list[Json]) -> Made:
    resources = {"listeners": listeners, "clusters": clusters}
    return lambda admin: {"admin": {"address": {"pipe": {"path": str(admin)}}}, "static_resources": resources}


def _listener(at: At, chains: list[Json], inspected: list[str] | None = None) -> Json:
    filters = [{"name": name.rpartition(".")[2], "typed_config": _typed(name)} for name in inspected or []]
    return {"name": "in", "address": at.json, "filter_chains": chains, "listener_filters": filters}


def _authenticated(codec: str, route: Json, own: tuple[bytes, bytes], domain: Domain) -> Json:
    tls = _typed(
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=_common(own, domain, {"prefix": f"spiffe://{domain.name}/"}, codec),
        require_client_certificate=True,
    )
    return {
        "filter_chain_match": {"application_protocols": [ALPN[codec]]},
        "transport_socket": {"name": "tls", "typed_config": tls},
        "filters": [_manager(codec, route)],
    }


def _common(own: tuple[bytes, bytes], domain: Domain, peer: Json, codec: str) -> Json:
    chain, key = own
    return {
        "tls_params": _TLS_1_3,
        "alpn_protocols": [ALPN[codec]],
        "tls_certificates": [
            {"certificate_chain": {"inline_string": chain.decode()}, "private_key": {"inline_string": key.decode()}}
        ],
        "validation_context": {
            "trusted_ca": {"inline_string": domain.pem.decode()},
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": peer}],
        },
    }


def _manager(codec: str, route: Json) -> Json:
    manager = _typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        codec_type=codec,
        stat_prefix="in",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        http_filters=[{"name": "router", "typed_config": _typed("envoy.extensions.filters.http.router.v3.Router")}],
    )
    return {"name": "http", "typed_config": manager}


def _cluster(name: str, to: At, *, http2: bool = False) -> Json:
    options: Json = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": to.json}}]}],
        },
        "typed_extension_protocol_options": {_HTTP: _typed(_HTTP, explicit_http_config=options)},
    }


def _typed(message: str, **members: Any) -> Json:  # noqa: ANN401 - JSON
    return {"@type": f"type.googleapis.com/{message}"} | members
