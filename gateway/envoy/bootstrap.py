"""bootstrap: what an Envoy is told before its warden tells it the rest: one socket, and what cannot come over it.

Everything in here would need a restart to change, so it holds the shapes that later steps rely on: internal listeners
(slots of other clusters), the regex limit that the model checks against, reconnects that are never slow.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.hostport import parted
from isthmus.xds.names import TENANTS_SDS, XDS

MAX_CONNECTIONS = 50_000
"""Downstream connections of one proxy; without any limit Envoy warns, and a flood has none."""
KEEPALIVE = {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
DRAIN_SECONDS = 3
"""How long replaced TCP chains and listeners drain (contracts.md, filter slots); Envoy's default is 600 s."""
REGEX_LIMIT = 1000
"""RE2 program size, equal to `isthmus.model.patterns.MAX_PROGRAM_SIZE`; Envoy's own default refuses beyond 100."""

_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_INTERNAL = "envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
_CONNECTIONS = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"


def bootstrap(proxy: str, socket: Path, admin: str, sds: Path) -> Mapping[str, Any]:
    """The bootstrap of one proxy as JSON. `socket` is the warden's, which proves who we are; `admin` is HOST:PORT.

    `sds`: the socket of the tenant's own SDS, which need not be there unless a definition has secrets of it.
    """
    host, port = parted(admin)
    source = {"ads": {}, "resource_api_version": "V3"}
    return {
        "node": {"id": proxy, "cluster": "isthmus"},
        "admin": {"address": {"socket_address": {"address": host, "port_value": port}}},
        "dynamic_resources": {"ads_config": _ads(), "cds_config": source, "lds_config": source},
        "static_resources": {"clusters": [_over_unix(XDS, socket), _over_unix(TENANTS_SDS, sds)]},
        "bootstrap_extensions": [{"name": "envoy.bootstrap.internal_listener", "typed_config": _typed(_INTERNAL)}],
        "layered_runtime": {
            "layers": [
                {"name": "isthmus", "static_layer": {"re2.max_program_size.error_level": REGEX_LIMIT}},
                {"name": "admin", "admin_layer": {}},
            ]
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": _typed(_CONNECTIONS) | {"max_active_downstream_connections": MAX_CONNECTIONS},
                }
            ]
        },
    }


def _ads() -> Mapping[str, Any]:
    """Delta ADS; without the short maximum a proxy may wait 30 s for a warden that is back (envoy.md §8)."""
    retry = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "2s"}}
    return {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": XDS, "retry_policy": retry}}],
    }


def _over_unix(name: str, socket: Path) -> Mapping[str, Any]:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(socket)}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            _HTTP: _typed(_HTTP) | {"explicit_http_config": {"http2_protocol_options": KEEPALIVE}}
        },
    }


def _typed(message: str) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/{message}"}
