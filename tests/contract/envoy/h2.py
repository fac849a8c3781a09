"""h2: HTTP/2 where the tests' own ends speak HTTP/1.1: a real Envoy as translator, before an application or a proxy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.contract.envoy.applications import App
from tests.contract.envoy.asking import free_port
from tests.contract.envoy.feeding import Running

_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "envoy.extensions.filters.http.router.v3.Router"

SPOKEN = "x-spoken"
"""A header that the translator adds to requests: the protocol in which it was asked."""


def translator(at: tuple[str, int], to: tuple[str, int], *, listens: str, speaks: str) -> Running:
    """One Envoy that listens at an address with one codec (`HTTP1` or `HTTP2`) and speaks the other behind it."""
    return Running(lambda admin: _bootstrap(admin, at, to, listens, speaks))


class H2App(App):
    """HTTP/2 by prior knowledge, and nothing else."""

    def __init__(self, name: str, address: str, port: int) -> None:
        behind = free_port()
        super().__init__(name, address, port, behind)
        self._translator = translator((address, port), (address, behind), listens="HTTP2", speaks="HTTP1")

    def stop(self) -> None:
        """Nobody listens any more."""
        self._translator.stop()
        super().stop()


def _bootstrap(admin: Path, at: tuple[str, int], to: tuple[str, int], listens: str, speaks: str) -> Mapping[str, Any]:
    spoken: Any = {"http2_protocol_options": {}} if speaks == "HTTP2" else {"http_protocol_options": {}}
    manager = {
        "@type": f"type.googleapis.com/{_HCM}",
        "stat_prefix": "translator",
        "codec_type": listens,
        "http_filters": [{"name": "router", "typed_config": {"@type": f"type.googleapis.com/{_ROUTER}"}}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "request_headers_to_add": [{"header": {"key": SPOKEN, "value": "%PROTOCOL%"}}],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "to", "timeout": "0s"}}],
                }
            ]
        },
    }
    network = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "admin": {"address": {"pipe": {"path": str(admin)}}},
        "static_resources": {
            "listeners": [{"name": "at", "address": _address(at), "filter_chains": [{"filters": [network]}]}],
            "clusters": [
                {
                    "name": "to",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "load_assignment": {
                        "cluster_name": "to",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(to)}}]}],
                    },
                    "typed_extension_protocol_options": {
                        _OPTIONS: {"@type": f"type.googleapis.com/{_OPTIONS}", "explicit_http_config": spoken}
                    },
                }
            ],
        },
    }


def _address(at: tuple[str, int]) -> Mapping[str, Any]:
    return {"socket_address": {"address": at[0], "port_value": at[1]}}
