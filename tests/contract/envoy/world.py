"""world: two clusters of real Envoys: a client and a virtual gateway in east, two instances of `blue` behind a gateway in west.

Definition in, requests out: everything between is the compiler, the composition and Envoy. Addresses are loopback ones
(all of 127/8 binds without root), ports are free ones.
"""

import http.client
import json
import socket
import threading
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

from isthmus.ir.surroundings import ClusterFacts, Surroundings
from isthmus.model.definition import Definition
from isthmus.values import TrustDomain, slot_id
from isthmus.xds import secrets
from isthmus.xds.compile import compile_mesh
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, RemoteCluster, RemoteNode, RemoteSlot, Topology, endpoints
from isthmus.xds.proxy import AtGateway, Composed, compose_east_west, compose_gateway, compose_node
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, view_id
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.feeding import Ads, Envoy

MESH_ID = UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")
EAST, WEST = UUID(int=1), UUID(int=2)


def free_port() -> int:
    """A TCP port that nobody listens on, on any loopback address."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))  # noqa: S104 - all of loopback
        port: int = probe.getsockname()[1]
        return port


class App:
    """An application that says who it is and what it was asked."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self.name, self.address, self.port, self.status = name, address, port, 200
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                said = {"app": app.name, "path": self.path, "headers": dict(self.headers.items())}
                body = json.dumps(said).encode()
                self.send_response(app.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Answer:
    """What came back; `said` is the application's JSON."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.status, self.body, self.headers = status, body, headers

    @property
    def said(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)


def ask(address: str, port: int, host: str, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request(method, path, headers={"Host": host} | {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()})
    finally:
        connection.close()


class World:
    """Both clusters; `apply` compiles and hands out, `resources` says what a proxy has."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.domains = {c: Domain(TrustDomain.of(c, 1, "acme").text) for c in ("east", "west")}
        self.inbound, self.outbound, self.ingress, self.east_west = (free_port() for _ in range(4))
        self.ads = Ads()
        self.envoys: dict[str, Envoy] = {}
        self.front = LocalInstance("front", "front", "127.83.0.1", {port: self.inbound})
        self.edge = LocalInstance("ingress", "ingress", "127.83.0.2", {9080: self.ingress})
        self.blues = [LocalInstance(f"blue-{i}", "blue", f"127.83.1.{i}", {port: self.inbound}) for i in (1, 2)]
        self.apps = {b.name: App(b.name, b.address, port) for b in self.blues}
        self.snapshots: dict[str, Snapshot] = {}

    def apply(self, definition: Definition) -> None:
        """Compile for both clusters and give every proxy what it is to have."""
        facts = {
            "east": ClusterFacts(EAST, "east", "us-east-1", "east", self.domains["east"].name),
            "west": ClusterFacts(WEST, "west", "eu-west-1", "west", self.domains["west"].name),
        }
        around = Surroundings(MESH_ID, "111122223333", "us-east-1", "acme", "isthmus.internal", facts)
        self.snapshots = {c: compile_mesh(definition, around, c).snapshot for c in facts}
        self.mesh = definition.name
        for proxy in self._proxies():
            self.ads.give(proxy, self.resources(proxy))

    def start(self, **listeners: int) -> None:
        """Start Envoys, each waiting for its listeners."""
        for proxy in listeners:
            self.envoys[proxy] = Envoy(proxy.replace("_", "-"), self.ads)
        for proxy, count in listeners.items():
            self.envoys[proxy].listening(count)

    def stop(self) -> None:
        for envoy in self.envoys.values():
            envoy.stop()
        for app in self.apps.values():
            app.stop()
        self.ads.stop()

    def _proxies(self) -> Iterable[str]:
        return ("front", "ingress", "east-west", *(b.name for b in self.blues))

    def resources(self, proxy: str) -> list[Resource]:
        """All that one proxy is to have."""
        bundle = secrets.bundle({d.name: [d.pem] for d in self.domains.values()})
        if proxy == "east-west":
            west = Here("west", WEST, "eu-west-1", "west")
            at = AtGateway(self._view("west", view_id("east-west", self._directory("west").facts.label, "1.40")), self._directory("west"), self.blues)  # fmt: skip
            return _bodies(compose_east_west([at], west, "127.83.2.1", self.east_west))
        if proxy == "ingress":
            composed = compose_gateway(
                self._view("east", view_id("gateway", "ingress", "1.40")), self._endpoints("east"), self.edge, bundle
            )
            return [*_bodies(composed), self._identity("east").identity(self._domain("east").gateway(self.mesh, "ingress"))]
        cluster = "east" if proxy == "front" else "west"
        instance = self.front if proxy == "front" else next(b for b in self.blues if b.name == proxy)
        view = self._view(cluster, view_id("node", instance.node, "1.40"))
        composed = compose_node(view, self._endpoints(cluster), instance, bundle, self.outbound)
        identity = self._identity(cluster).identity(self._domain(cluster).node(self.mesh, instance.node))
        return [*_bodies(composed), identity]

    def _identity(self, cluster: str) -> Domain:
        return self.domains[cluster]

    def _domain(self, cluster: str) -> TrustDomain:
        return TrustDomain(self.domains[cluster].name)

    def _view(self, cluster: str, view: str) -> list[Resource]:
        snapshot = self.snapshots[cluster]
        return [snapshot.resources[ref.version] for ref in snapshot.manifest.refs(view)]

    def _directory(self, cluster: str) -> Directory:
        directory = Directory.read(self._view(cluster, AGENT_VIEW))
        assert directory is not None
        return directory

    def _endpoints(self, cluster: str) -> Mapping[str, Resource]:
        """East knows west's instances as slots behind west's gateway, and west its own."""
        if cluster == "west":
            topology = Topology(self.blues)
            return endpoints(self._directory("west"), topology, Here("west", WEST, "eu-west-1", "west"))
        slots = tuple(
            RemoteSlot(slot_id(WEST, MESH_ID, "blue", b.name), ports=(self.port,), health=b.health) for b in self.blues
        )
        nodes = {"blue": RemoteNode(slots, len(slots))}
        west = RemoteCluster("west", "eu-west-1", "west", "live", (f"127.83.2.1:{self.east_west}",), nodes)
        return endpoints(self._directory("east"), Topology([self.front], [west]), Here("east", EAST, "us-east-1", "east"))


def _bodies(composed: Iterable[Composed]) -> list[Resource]:
    return [c.resource for c in composed]
