"""world: two clusters of real Envoys: a client and a virtual gateway in east, two `blue` behind a gateway in west.

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
from isthmus.values import Sni, TrustDomain, mesh_label, service_id, slot_id
from isthmus.xds import secrets
from isthmus.xds.compile import compile_mesh
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, RemoteCluster, RemoteNode, RemoteSlot, Topology, endpoints
from isthmus.xds.proxy import AtGateway, Composed, compose_east_west, compose_gateway, compose_node
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, view_id
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.feeding import Ads, Envoy
from tests.until import until

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

            do_POST = do_GET  # noqa: N815 - the base class's name

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


def _status(address: str, port: int, path: str) -> int | None:
    """The status of an answer, None while nobody listens."""
    try:
        return ask(address, port, "colors.local", path).status
    except OSError:
        return None


class World:
    """Both clusters; `apply` compiles and hands out, `resources` says what a proxy is to have."""

    front_at, ingress_at, gateway_at = "127.83.0.1", "127.83.0.2", "127.83.2.1"

    def __init__(self, transport: str) -> None:
        self.transport = transport
        self.port, self.inbound, self.outbound, self.ingress, self.east_west = (free_port() for _ in range(5))
        self.domains = {c: Domain(TrustDomain.of(c, 1, "acme").text) for c in ("east", "west")}
        self.front = LocalInstance("front", "front", self.front_at, {self.port: self.inbound})
        self.edge = LocalInstance("ingress", "ingress", self.ingress_at, {9080: self.ingress})
        self.plain = LocalInstance("plain", "plain", "127.83.0.3")
        self.blues = [LocalInstance(f"blue-{i}", "blue", f"127.83.1.{i}", {self.port: self.inbound}) for i in (1, 2)]
        self.ads = Ads()
        self.envoys: dict[str, Envoy] = {}
        self.apps = [App(i.name, i.address, self.port) for i in (self.plain, *self.blues)]
        self.snapshots: dict[str, Snapshot] = {}
        self.proxies = ("front", "ingress", "east-west", "blue-1", "blue-2")

    def start(self, definition: Definition) -> None:
        """Compile, start the Envoys, and wait until the way from end to end is open."""
        self.apply(definition)
        self.envoys |= {proxy: Envoy(proxy, self.ads) for proxy in self.proxies}
        until(lambda: _status(self.front_at, self.outbound, "/") == 200, 20)
        until(lambda: _status(self.ingress_at, self.ingress, "/shop") == 200, 20)

    def stop(self) -> None:
        """Leaves nothing running."""
        for envoy in self.envoys.values():
            envoy.stop()
        for app in self.apps:
            app.stop()
        self.ads.stop()

    def apply(self, definition: Definition) -> None:
        """Compile for both clusters and give every proxy what it is to have."""
        around = Surroundings(MESH_ID, "111122223333", "us-east-1", "acme", "isthmus.internal", self._facts())
        self.snapshots = {cluster: compile_mesh(definition, around, cluster).snapshot for cluster in self.domains}
        for proxy in self.proxies:
            self.ads.give(proxy, self.resources(proxy))

    def call(self, host: str = "colors.local", path: str = "/", **headers: str) -> Answer:
        """A request of the application in east."""
        return ask(self.front_at, self.outbound, host, path, **headers)

    def resources(self, proxy: str) -> list[Resource]:
        """All that one proxy is to have."""
        if proxy == "east-west":
            directory = self._directory("west")
            view = self._view("west", view_id("east-west", directory.facts.label, "1.40"))
            at = AtGateway(view, directory, self.blues)
            return _bodies(compose_east_west([at], _HERE["west"], self.gateway_at, self.east_west))
        bundle = secrets.bundle({d.name: [d.pem] for d in self.domains.values()})
        if proxy == "ingress":
            view = self._view("east", view_id("gateway", "ingress", "1.40"))
            composed = compose_gateway(view, self._endpoints("east"), self.edge, bundle)
            return [*_bodies(composed), self._identity("east", "gateway/ingress")]
        cluster = "east" if proxy == "front" else "west"
        instance = next(i for i in (self.front, *self.blues) if i.name == proxy)
        view = self._view(cluster, view_id("node", instance.node, "1.40"))
        composed = compose_node(view, self._endpoints(cluster), instance, bundle, self.outbound)
        return [*_bodies(composed), self._identity(cluster, f"node/{instance.node}")]

    def slot(self) -> str:
        """The SNI of blue-1."""
        mesh = Sni(
            slot_id(WEST, MESH_ID, "blue", "blue-1"), self.port, service_id(MESH_ID, "blue"), mesh_label(MESH_ID)
        )
        return mesh.text()

    def _facts(self) -> Mapping[str, ClusterFacts]:
        return {
            name: ClusterFacts(here.cluster_id, name, here.region, here.network, self.domains[name].name)
            for name, here in _HERE.items()
        }

    def _identity(self, cluster: str, who: str) -> Resource:
        return self.domains[cluster].identity(f"spiffe://{self.domains[cluster].name}/mesh/shop/{who}")

    def _view(self, cluster: str, view: str) -> list[Resource]:
        snapshot = self.snapshots[cluster]
        return [snapshot.resources[ref.version] for ref in snapshot.manifest.refs(view)]

    def _directory(self, cluster: str) -> Directory:
        directory = Directory.read(self._view(cluster, AGENT_VIEW))
        assert directory is not None
        return directory

    def _endpoints(self, cluster: str) -> Mapping[str, Resource]:
        """East knows west's instances as slots behind west's gateway; each knows its own."""
        here = _HERE[cluster]
        if cluster == "west":
            return endpoints(self._directory("west"), Topology(self.blues), here)
        slots = tuple(RemoteSlot(slot_id(WEST, MESH_ID, "blue", b.name), ports=(self.port,)) for b in self.blues)
        gateways = (f"{self.gateway_at}:{self.east_west}",)
        west = RemoteCluster("west", "eu-west-1", "west", "live", gateways, {"blue": RemoteNode(slots, len(slots))})
        return endpoints(self._directory("east"), Topology([self.front, self.plain], [west]), here)


_HERE = {"east": Here("east", EAST, "us-east-1", "east"), "west": Here("west", WEST, "eu-west-1", "west")}


def _bodies(composed: Iterable[Composed]) -> list[Resource]:
    return [c.resource for c in composed]
