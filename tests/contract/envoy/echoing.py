"""echoing: one Envoy that routes what was drawn, and one that answers for all nodes, saying where it was asked and how.

The second also is the door for HTTP/2: it takes HTTP/1.1 and asks the first over HTTP/2, unchanged. gRPC requests are
sent as such in either protocol, which Envoy's gRPC matcher takes for gRPC by their content type.
"""

import http.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.model.check import check
from isthmus.model.definition import parse_definition
from isthmus.xds.compile import compile_mesh
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import LocalInstance, Topology, endpoints
from isthmus.xds.proxy import compose_gateway, compose_node
from isthmus.xds.snapshot import AGENT_VIEW, Resource, view_id
from tests.contract.envoy.ads import Ads
from tests.contract.envoy.asking import free_port
from tests.contract.envoy.canary import HERE, SECRETS
from tests.contract.envoy.feeding import Envoy, Running
from tests.contract.envoy.lanes import side_by_side
from tests.drawing.matcher import Request, ports
from tests.golden.cases import resources, surroundings
from tests.until import until

Json = Any
PROXY = "routing"
PATIENCE = 30.0
FRONT, DOOR = "127.92.1.1", "127.92.0.1"
HEADERS = ("x-at", "x-host", "x-path")
_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "envoy.extensions.filters.http.router.v3.Router"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


_OF_GRPC = {"12": 404, "14": 503}
"""What Envoy makes of its own answers to gRPC, whose status is always 200."""


class Answer(NamedTuple):
    """A status and, if a node answered, at which address and port it was asked for what."""

    status: int
    at: str
    host: str
    path: str


def node_at(index: int) -> str:
    """The address of a node."""
    return f"127.92.3.{index + 1}"


def gateway_at(index: int) -> str:
    """The address of a gateway."""
    return f"127.92.2.{index + 1}"


class Echoing:
    """Both Envoys; `play` puts a definition in force, `ask` sends a request."""

    def __init__(self, gateways: int) -> None:
        self.nodes = free_port(), free_port(), free_port()
        self._outbound, self._door = free_port(), free_port()
        self._ingress = {9080: free_port(), 9081: free_port()}
        self._gateways = gateways
        self._ads = Ads()
        self._envoy: Envoy | None = None
        self._echo = Running(self._bootstrap)
        self._lines: dict[tuple[str, int], http.client.HTTPConnection] = {}

    def stop(self) -> None:
        self._hang_up()
        if self._envoy is not None:
            self._envoy.stop()
        self._echo.stop()
        self._ads.stop()

    @classmethod
    @contextmanager
    def running(cls, gateways: int) -> "Iterator[Echoing]":
        """One, stopped at the end."""
        made = cls(gateways)
        try:
            yield made
        finally:
            made.stop()

    def play(self, raw: Json, marker: str) -> None:
        """Returns when requests are routed by this definition, whose service `marker` no other has."""
        self._ads.give(PROXY, self._resources(raw))
        if self._envoy is None:
            self._envoy = Envoy(PROXY, self._ads)
        until(lambda: self._ads.acked(PROXY), PATIENCE)
        self._hang_up()
        until(lambda: self._status(None, marker) == 200, PATIENCE)
        gateways = [each for each in raw["resources"] if each["kind"] == "VirtualGateway"]
        for i, gateway in enumerate(gateways):
            for port in ports(gateway["spec"]):
                until(partial(self._status, (i, port), marker), PATIENCE)

    def _hang_up(self) -> None:
        """A connection may be one to a listener that is on its way out, with its old routes."""
        for line in self._lines.values():
            line.close()
        self._lines.clear()

    def _status(self, gateway: tuple[int, int] | None, host: str) -> int:
        """0 while nobody listens, or no longer."""
        try:
            return self.ask(gateway, Request(host)).status
        except (OSError, http.client.HTTPException):
            return 0

    def ask(self, gateway: tuple[int, int] | None, request: Request, *, h2: bool = False) -> Answer:
        """A request of `front` or, from outside, at a gateway (its number, and the port in its definition)."""
        where = (FRONT, self._outbound) if gateway is None else (gateway_at(gateway[0]), self._ingress[gateway[1]])
        line = self._line((DOOR, self._door) if h2 else where)
        headers = {"host": request.host, **dict(request.headers)}
        headers |= {"x-forwarded-proto": request.scheme} if request.scheme != "http" else {}
        headers |= {"x-door": f"{where[0]}:{where[1]}"} if h2 else {}
        try:
            line.request(request.method, request.path, headers=headers)
            response = line.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            line.close()
            raise
        said = response.headers.get("grpc-status", "")
        status = response.status if "x-at" in response.headers else _OF_GRPC.get(said, response.status)
        return Answer(status, *(response.headers.get(name, "") for name in HEADERS))

    def _line(self, to: tuple[str, int]) -> http.client.HTTPConnection:
        if to not in self._lines:
            self._lines[to] = http.client.HTTPConnection(*to, timeout=10)
        return self._lines[to]

    def _resources(self, raw: Json) -> list[Resource]:
        definition = parse_definition(raw)
        assert check(definition) == (), check(definition)
        snapshot = compile_mesh(definition, surroundings(), "east").snapshot
        directory = Directory.read(resources(snapshot, AGENT_VIEW))
        assert directory is not None
        nodes = [each["name"] for each in raw["resources"] if each["kind"] == "VirtualNode"]
        local = [LocalInstance(node, node, node_at(i)) for i, node in enumerate(nodes)]
        known = endpoints(directory, Topology(local), HERE)
        front = LocalInstance("front", "front", FRONT)
        proxies = [compose_node(_view(snapshot, "node", "front"), known, front, SECRETS[0], self._outbound)]
        for i in range(self._gateways):
            edge = LocalInstance(f"g{i}", f"g{i}", gateway_at(i), self._ingress)
            proxies.append(compose_gateway(_view(snapshot, "gateway", f"g{i}"), known, edge, SECRETS[0]))
        return side_by_side([*([each.resource for each in listed] for listed in proxies), SECRETS], bind=True)

    def _bootstrap(self, admin: Path) -> Mapping[str, Any]:
        """A listener for each port of nodes, at every address, and the door."""
        places = [(FRONT, self._outbound)]
        places += [(gateway_at(i), port) for i in range(self._gateways) for port in self._ingress.values()]
        to_place = {"cluster_header": "x-door", "timeout": "0s"}
        door = [{"match": {"prefix": "/"}, "route": to_place, "request_headers_to_remove": ["x-door"]}]
        listeners = [_listener(str(port), "0.0.0.0", port, _ECHO) for port in self.nodes]  # noqa: S104 - loopback's own
        return {
            "admin": {"address": {"pipe": {"path": str(admin)}}},
            "static_resources": {
                "listeners": [*listeners, _listener("door", DOOR, self._door, door)],
                "clusters": [_over_h2(*place) for place in places],
            },
        }


def _view(snapshot: Any, role: str, name: str) -> Sequence[Resource]:  # noqa: ANN401 - a snapshot
    return list(resources(snapshot, view_id(role, name, "1.40")))


_SAID = ("%DOWNSTREAM_LOCAL_ADDRESS%", "%REQ(:AUTHORITY)%", "%REQ(:PATH)%")
_ECHO = [
    {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200},
        "response_headers_to_add": [
            {"header": {"key": name, "value": value}} for name, value in zip(HEADERS, _SAID, strict=True)
        ],
    }
]


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _listener(name: str, host: str, port: int, routes: Json) -> Json:
    manager = {
        "@type": f"type.googleapis.com/{_HCM}",
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"type.googleapis.com/{_ROUTER}"}}],
    }
    network = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {"name": name, "address": _address(host, port), "filter_chains": [{"filters": [network]}]}


def _over_h2(host: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": _address(host, port)}}
    options = {"@type": f"type.googleapis.com/{_OPTIONS}", "explicit_http_config": {"http2_protocol_options": {}}}
    return {
        "name": f"{host}:{port}",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": f"{host}:{port}", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {_OPTIONS: options},
    }
