"""Health checks: every protocol of a check on a port of every protocol, in meshes with and without plaintext."""

from collections.abc import Iterator
from typing import Any

import pytest

from isthmus.model.definition import Definition
from tests import build
from tests.contract.envoy.applications import App, Does, TcpApp
from tests.contract.envoy.asking import connected, received
from tests.contract.envoy.checked import Checked, CheckedGrpc, CheckedH2, Hurried, check
from tests.contract.envoy.stage import GRPC, HTTP, HTTP2, SECOND, TCP, Instance
from tests.until import until

Json = Any
BLUE, GONE = "blue.local", "gone.local"
PORTS = {HTTP: "http", HTTP2: "http2", GRPC: "grpc", TCP: "tcp"}
APPLICATIONS: dict[tuple[str, str], type[Any]] = {
    ("http", "grpc"): App,
    ("tcp", "http"): Checked,
    ("tcp", "tcp"): TcpApp,
    **{("http", said): Checked for said in ("http", "http2", "tcp")},
    **{(spoken, "grpc"): CheckedGrpc for spoken in ("http2", "grpc", "tcp")},
    **{(spoken, said): CheckedH2 for spoken in ("http2", "grpc") for said in ("http", "http2", "tcp")},
    ("tcp", "http2"): CheckedH2,
}
"""By what the port speaks and what the check says: what can answer both, and nothing else."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
"""RFC 9113 §3.4, which HTTP/1.1 answers too, with 505."""

WELL, FAILED = "healthy", "/failed_active_hc"


def definition(said: str, transport: str) -> Definition:
    """`front` calls `blue`, which is there, and `gone`, whose proxy is there but not its application."""
    elsewhere = {SECOND if port == TCP else port: spoken for port, spoken in PORTS.items()}
    return build.definition(
        build.attachment("east"),
        build.attachment("west"),
        build.node("front", port=None, backends=[BLUE, GONE]),
        build.node("blue", ports=PORTS, listener=check(said)),
        build.node("gone", ports=elsewhere, listener=check(said)),
        *(build.placement(node, "east") for node in ("front", "blue", "gone")),
        build.service(BLUE, node="blue"),
        build.service(GONE, node="gone"),
        settings={"transport": transport},
    )


@pytest.fixture(scope="module", params=["http", "http2", "grpc", "tcp"])
def said(request: pytest.FixtureRequest) -> str:
    protocol: str = request.param
    return protocol


@pytest.fixture(scope="module")
def stage(said: str) -> Iterator[Hurried]:
    stage = Hurried(Instance("front"), Instance("blue"), Instance("gone", serving=False))
    for port, spoken in PORTS.items():
        stage.apps["blue", port] = APPLICATIONS[spoken, said]("blue", stage.addresses["blue"], port)
    try:
        yield stage
        assert stage.ads.refused == []
    finally:
        stage.stop()


@pytest.mark.parametrize("transport", ["strict", "permissive"])
def test_a_port_is_asked_in_what_it_speaks(stage: Hurried, said: str, transport: str) -> None:
    """A check of connections sees no further than the proxy, which is there: it sees that its application is not."""
    stage.apply(definition(said, transport))
    for port, spoken in PORTS.items():
        elsewhere = SECOND if port == TCP else port
        by_connecting = said == "tcp" or (spoken, said) == ("http", "grpc")
        becomes(stage, "blue", port, (WELL, WELL))
        becomes(stage, "gone", elsewhere, (WELL if by_connecting else FAILED, FAILED))
        assert (reached(stage, BLUE, port), reached(stage, GONE, elsewhere)) == (True, False), spoken


@pytest.mark.parametrize("transport", ["strict", "permissive"])
def test_what_a_port_answers_counts(stage: Hurried, said: str, transport: str) -> None:
    stage.apply(definition(said, transport))
    listed = {port: stage.app("blue", port) for port in PORTS}
    asked = {port: app for port, app in listed.items() if isinstance(app, Checked | CheckedGrpc) and said != "tcp"}
    for feels, thought in ((Does(), WELL), (Does(500), FAILED), (Does(), WELL)):
        for app in asked.values():
            app.is_ = feels
        for port in asked:
            becomes(stage, "blue", port, (thought, thought))
            assert reached(stage, BLUE, port) == (thought == WELL), PORTS[port]
    assert bool(asked) == (said != "tcp")


def becomes(stage: Hurried, node: str, port: int, expected: tuple[str, str]) -> None:
    """Waits until a client thinks so of a node's only instance, and its own proxy so of its application."""
    until(lambda: (only(stage, "front", f"node/{node}/{port}"), only(stage, node, f"app/{port}")) == expected)


def only(stage: Hurried, proxy: str, cluster: str) -> str:
    (feeling,) = stage.feelings(proxy, cluster).values()
    return feeling


def reached(stage: Hurried, host: str, port: int) -> bool:
    """Whether an application answers, in its own way; of raw bytes, whether any come back before the end."""
    if port in (TCP, SECOND):
        with connected(stage.addresses["front"], port) as connection:
            connection.sendall(PREFACE)
            return received(connection) != b""
    if isinstance(stage.app("blue", port), CheckedGrpc):
        return stage.call("front", f"{host}:{port}", "/a.B/C").said is not None
    return stage.ask("front", f"{host}:{port}").status == 200
