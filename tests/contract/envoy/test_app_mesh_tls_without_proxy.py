"""App Mesh's TLS to instances without a proxy of ours: an application that speaks it itself, nobody in plaintext."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.definition import Definition
from tests import build
from tests.contract.envoy.authorities import Authority, put
from tests.contract.envoy.stage import HTTP, Instance, Stage

Json = Any
OURS, THEIRS = Authority("ours"), Authority("theirs")
NAME = "bare.example"


class Secured:
    """An application that shows a certificate, and keeps what it was asked for by name and by ALPN."""

    def __init__(self, address: str, folder: Path) -> None:
        self.asked: list[tuple[str | None, str | None]] = []
        secured = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert isinstance(self.connection, ssl.SSLSocket)
                secured.asked.append((secured.names.get(id(self.connection)), self.connection.selected_alpn_protocol()))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """It says nothing."""

        self.names: dict[int, str | None] = {}
        self._server = ThreadingHTTPServer((address, HTTP), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*OURS.issue(NAME).write(folder, "bare"))
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = lambda end, name, _: self.names.__setitem__(id(end), name)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    put(made / "ours.pem", OURS.pem)
    put(made / "theirs.pem", THEIRS.pem)
    return made


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage(Instance("front"), Instance("bare", proxied=False, serving=False), Instance("plain", proxied=False))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def secured(stage: Stage, folder: Path) -> Iterator[Secured]:
    made = Secured(stage.addresses["bare"], folder)
    try:
        yield made
    finally:
        made.stop()


def definition(folder: Path, node: str, *, trust: str = "", mode: str = "", enforce: bool = True) -> Definition:
    """`front` calls a node, by a policy if it trusts anybody; the node's listener has TLS in some mode."""
    roots = {"trust": {"file": {"certificateChain": str(folder / f"{trust}.pem")}}}
    policy: Json = (
        {"backendDefaults": {"clientPolicy": {"tls": {"validation": roots, "enforce": enforce}}}} if trust else {}
    )
    shown = {"file": {"certificateChain": str(folder / "bare.pem"), "privateKey": str(folder / "bare.key")}}
    return build.definition(
        *(build.attachment(cluster) for cluster in ("east", "west")),
        build.node("front", port=None, backends=[build.SERVICE], **policy),
        build.node(
            node,
            port=HTTP,
            listener={"tls": {"mode": mode, "certificate": shown}} if mode else None,
            serviceDiscovery={"dns": {"hostname": NAME}},
        ),
        build.service(node=node),
    )


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"trust": "ours"}, 200),
        ({"trust": "theirs"}, 503),
        ({"mode": "STRICT"}, 200),
        ({"mode": "STRICT", "trust": "theirs", "enforce": False}, 503),
        ({"mode": "PERMISSIVE"}, 503),
        ({}, 503),
    ],
    ids=[
        "enforced",
        "enforced, another authority",
        "nothing said, but its listener is strict",
        "not enforced, but its listener is strict",
        "its listener takes plaintext: called in plaintext, which it does not understand",
        "nothing said: called in plaintext",
    ],
)
def test_an_application_that_speaks_tls_itself(
    stage: Stage, secured: Secured, folder: Path, said: Json, status: int
) -> None:
    secured.asked.clear()
    stage.apply(definition(folder, "bare", **said))
    assert stage.ask("front", build.SERVICE).status == status
    assert secured.asked == ([(NAME, "http/1.1")] if status == 200 else []), "our own ALPN is for our proxies"


@pytest.mark.parametrize(("trust", "by"), [("ours", "503"), ("", "plain")])
def test_an_application_in_plaintext_is_not_called_where_tls_is_enforced(
    stage: Stage, folder: Path, trust: str, by: str
) -> None:
    stage.apply(definition(folder, "plain", trust=trust))
    assert stage.ask("front", build.SERVICE).by == by
