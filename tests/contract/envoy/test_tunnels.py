"""Proxies that clients are told of, run by real Envoys: requests in absolute form, and tunnels (CONNECT)."""

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.envoy.applications import TcpApp
from tests.contract.envoy.asking import free_port, received
from tests.contract.envoy.stage import HTTP, HTTP2, OUTBOUND, TCP, Instance, Stage

WEB, FAR, MIXED, DB, ZOO = "web", "far.local", "mixed.local", "db.local", "zoo.local"
OUTSIDE = "127.89.0.2"


def definition(egress: str = "DROP_ALL", *more: Any) -> Definition:  # noqa: ANN401 - documents
    """`front` calls HTTP in both clusters, TCP of one port in both, and a service with several ports of each kind."""
    return build.mesh(
        build.node("front", port=HTTP, backends=[WEB, FAR, MIXED, DB, ZOO]),
        build.node("near", ports={HTTP: "http", HTTP2: "http2", TCP: "tcp"}),
        build.node("far", ports={HTTP: "http", TCP: "tcp"}),
        build.placement("far", "west"),
        build.service(WEB, router="web"),
        build.router("web", port=HTTP),
        build.route("all", router="web", targets=[{"virtualNode": "near", "port": HTTP, "weight": 1}]),
        build.service(FAR, router="far"),
        build.router("far", port=HTTP),
        build.route("all", router="far", targets=[{"virtualNode": "far", "port": HTTP, "weight": 1}]),
        build.service(MIXED, node="near"),
        *tcp("db", "near", DB),
        *tcp("zoo", "far", ZOO),
        *more,
        build.route(targets=[{"virtualNode": "near", "port": HTTP, "weight": 1}]),
        targets={"near": 100},
        spec={"egressFilter": {"type": egress}},
    )


def tcp(router: str, node: str, service: str) -> list[Any]:
    """A service that leads to a node's TCP port."""
    target = {"virtualNode": node, "port": TCP, "weight": 1}
    return [
        build.service(service, router=router),
        build.router(router, ports={TCP: "tcp"}),
        build.route("tcp", router=router, protocol="tcp", targets=[target]),
    ]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage(Instance("front"), Instance("near"), Instance("far", cluster="west"))
    try:
        yield made
        assert made.ads.refused == []
    finally:
        made.stop()


@pytest.fixture(scope="module")
def outside() -> Iterator[TcpApp]:
    """Something that is not in the mesh."""
    app = TcpApp("outside", OUTSIDE, free_port())
    yield app
    app.stop()


class Tunnel:
    """A client that has asked for a tunnel; `status` is the answer."""

    def __init__(self, stage: Stage, to: str) -> None:
        self.connection = socket.create_connection((stage.addresses["front"], OUTBOUND), timeout=10)
        self.connection.sendall(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head and (more := received(self.connection, 1)):
            head += more
        self.status = int(head.split()[1])

    def read(self, until: bytes) -> bytes:
        """What comes, up to some bytes or the end."""
        out = b""
        while until not in out and (more := received(self.connection)):
            out += more
        return out

    def close(self) -> None:
        self.connection.close()


def greeting(stage: Stage, to: str) -> tuple[int, bytes]:
    """The answer to a request for a tunnel, and who greets through it."""
    with closing(Tunnel(stage, to)) as tunnel:
        return tunnel.status, tunnel.read(b"\n").strip() if tunnel.status == 200 else b""


def requested(stage: Stage, to: str, host: str = "") -> bytes:
    """What an HTTP request through a tunnel is answered."""
    with closing(Tunnel(stage, to)) as tunnel:
        assert tunnel.status == 200
        tunnel.connection.sendall(f"GET /a HTTP/1.1\r\nHost: {host or to}\r\nConnection: close\r\n\r\n".encode())
        return tunnel.read(b"never")


def test_a_tunnel_to_a_tcp_port_is_a_connection_to_its_service(stage: Stage) -> None:
    stage.apply(definition())
    assert greeting(stage, f"{DB}:{TCP}") == (200, b"near")
    assert greeting(stage, f"{DB.upper()}:{TCP}") == (200, b"near")
    assert greeting(stage, f"{ZOO}:{TCP}") == (200, b"far"), "two services of one port are told apart by name"
    assert greeting(stage, f"{MIXED}:{TCP}") == (200, b"near")


def test_both_ends_of_a_tunnel_can_say_much(stage: Stage) -> None:
    stage.apply(definition())
    with closing(Tunnel(stage, f"{ZOO}:{TCP}")) as tunnel:
        tunnel.read(b"\n")
        for said in (b"x" * 300_000 + b"!", b"y" * 100_000 + b"?"):
            tunnel.connection.sendall(said)
            assert tunnel.read(said[-1:])[-len(said) :] == said


@pytest.mark.parametrize(
    ("to", "by"),
    [(f"{WEB}:{HTTP}", b"near"), (f"{WEB}:80", b"near"), (f"{FAR}:{HTTP}", b"far"), (f"{MIXED}:{HTTP}", b"near")],
    ids=["its port", "any port, as without a tunnel", "in the other cluster", "one of several"],
)
def test_what_comes_out_of_a_tunnel_to_http_are_requests(stage: Stage, to: str, by: bytes) -> None:
    stage.apply(definition())
    answer = requested(stage, to)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"app": "' + by + b'"' in answer


def test_requests_in_a_tunnel_go_where_their_host_says(stage: Stage) -> None:
    stage.apply(definition())
    assert b'"app": "far"' in requested(stage, f"{WEB}:{HTTP}", FAR)
    assert requested(stage, f"{WEB}:{HTTP}", "nobody.local").startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("to", [f"{DB}:1", f"{MIXED}:1", "nobody.local:80", f"{OUTSIDE}:1"])
def test_a_tunnel_to_nowhere_is_not_opened(stage: Stage, to: str) -> None:
    stage.apply(definition())
    assert greeting(stage, to) == (404, b"")


def test_a_tunnel_leaves_a_mesh_that_lets_it_out(stage: Stage, outside: TcpApp) -> None:
    to = f"{OUTSIDE}:{outside.port}"
    stage.apply(definition())
    assert greeting(stage, to) == (404, b"")
    stage.apply(definition("ALLOW_ALL"))
    assert greeting(stage, to) == (200, b"outside")
    assert greeting(stage, f"{OUTSIDE}:{free_port()}") == (503, b"")
    assert greeting(stage, f"{DB}:{TCP}") == (200, b"near"), "a backend is still the mesh's"


def test_no_tunnel_leads_a_proxy_to_itself(stage: Stage) -> None:
    stage.apply(definition("ALLOW_ALL"))
    for address in (stage.addresses["front"], "localhost"):
        assert greeting(stage, f"{address}:{OUTBOUND}") == (403, b"")


def test_tunnels_are_shared_among_targets_by_weight(stage: Stage) -> None:
    shares = [{"virtualNode": node, "port": TCP, "weight": 1} for node in ("near", "far")]
    stage.apply(definition("DROP_ALL", build.route("tcp", router="db", protocol="tcp", targets=shares)))
    assert {greeting(stage, f"{DB}:{TCP}") for _ in range(24)} == {(200, b"near"), (200, b"far")}
    nobody = [{"virtualNode": "near", "port": TCP, "weight": 0}]
    stage.apply(definition("DROP_ALL", build.route("tcp", router="db", protocol="tcp", targets=nobody)))
    assert greeting(stage, f"{DB}:{TCP}")[0] == 403


@pytest.mark.parametrize("node", ["near", "far"])
def test_a_route_for_connect_hands_the_request_to_the_application(stage: Stage, node: str) -> None:
    target = {"virtualNode": node, "port": HTTP, "weight": 1}
    match = {"prefix": "/", "method": "CONNECT"}
    stage.apply(definition("DROP_ALL", build.route("connect", router="web", match=match, targets=[target], priority=1)))
    stage.forget()
    with closing(Tunnel(stage, f"{WEB}:{HTTP}")) as tunnel:
        assert tunnel.status == 501, "Python's HTTP server has no do_CONNECT, and says so itself"
    assert b'"app": "near"' in requested(stage, f"{FAR}:{HTTP}", WEB), "other requests go where they went"


def test_requests_in_absolute_form_are_for_the_host_in_it(stage: Stage) -> None:
    """What a client sends that is told of an HTTP proxy (RFC 9112 §3.2.2): the target counts, and Host does not."""
    stage.apply(definition())
    for target, by in ((f"{WEB}:{HTTP}", b"near"), (WEB, b"near"), (f"{FAR.upper()}:81", b"far")):
        assert b'"app": "' + by + b'"' in absolute(stage, target), target
    assert absolute(stage, "nobody.local").startswith(b"HTTP/1.1 404")


def absolute(stage: Stage, target: str) -> bytes:
    with socket.create_connection((stage.addresses["front"], OUTBOUND), timeout=10) as connection:
        head = f"GET http://{target}/a?b HTTP/1.1\r\nHost: other.local\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        out = b""
        while more := received(connection):
            out += more
        return out


def test_short_names_and_any_port_do_over_either_http(stage: Stage) -> None:
    stage.apply(definition())
    for host in (WEB, f"{WEB}:{HTTP}", f"{WEB}:9", WEB.upper(), f"{WEB}."):
        stage.forget()
        assert stage.ask("front", host).by == "near", host
        stage.call("front", host, "/any.Service/Method")  # HTTP/2 by prior knowledge
        assert [asked.path for asked in stage.app("near").asked] == ["/", "/any.Service/Method"], host


def test_tunnels_change_no_listener(stage: Stage) -> None:
    def listeners() -> dict[str, bytes]:
        return {r.name: r.body for r in stage.resources("front") if r.type == Type.LISTENER}

    stage.apply(definition("ALLOW_ALL"))
    before = listeners()
    stage.apply(definition("DROP_ALL", *tcp("db", "far", DB)))
    assert listeners() == before
