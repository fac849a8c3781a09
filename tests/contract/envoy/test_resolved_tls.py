"""App Mesh's TLS towards what a name leads to: as written, though no proxy stands before it, and never without it."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.xds.resolved import Address, Resolved
from tests import build
from tests.contract.envoy.applications import App
from tests.contract.envoy.authorities import Authority, Pair, put
from tests.contract.envoy.stage import HTTP, Stage

ADDRESS, NAME = "127.89.1.1", "red.example"
OURS, THEIRS = Authority("ours"), Authority("theirs")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "TlsApp"

    def do_GET(self) -> None:
        said = json.dumps({"app": "tls", "sni": self.server.sni}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the overridden method's
        pass


class TlsApp(ThreadingHTTPServer):
    """HTTP/1.1 under TLS of its own, at the address that a name leads to. `sni`: what the last client asked for."""

    daemon_threads = True

    def __init__(self, pair: Pair, folder: Path) -> None:
        super().__init__((ADDRESS, HTTP), _Handler)
        self.sni: str | None = None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair.write(folder, "server"))
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = self._asked
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def _asked(self, _socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self.sni = name

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - a client that refused us
        pass

    def stop(self) -> None:
        """Nobody listens any more."""
        self.shutdown()
        self.server_close()
        self._thread.join()


def definition(folder: Path) -> Definition:
    """`front` demands TLS of whomever it calls, by the name that it is found by."""
    trust = {"file": {"certificateChain": put(folder / "ca.pem", OURS.pem)}}
    policy = {"tls": {"validation": {"trust": trust}}}
    return build.mesh(
        build.node("front", port=HTTP, backends=[build.SERVICE], backendDefaults={"clientPolicy": policy}),
        build.node("red", port=HTTP, serviceDiscovery={"dns": {"hostname": NAME}}),
        build.router(port=HTTP),
        targets={"red": 100},
        settings={"transport": "permissive"},
    )


@pytest.fixture
def served(stage: Stage, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The stage, while an application is where the name leads to."""
    app = request.param(tmp_path)
    stage.resolved = {"red": Resolved(NAME, (Address(ADDRESS),))}
    stage.apply(definition(tmp_path))
    yield stage
    stage.resolved = {}
    app.stop()


def _by(authority: Authority, name: str) -> Callable[[Path], TlsApp]:
    return lambda folder: TlsApp(authority.issue(name), folder)


@pytest.mark.parametrize("served", [_by(OURS, NAME)], indirect=True, ids=["its own certificate"])
def test_a_certificate_for_the_name_is_good_and_the_name_is_asked_for(served: Stage) -> None:
    answer = served.ask("front", build.SERVICE)
    assert (answer.status, answer.said) == (200, {"app": "tls", "sni": NAME})


@pytest.mark.parametrize(
    "served",
    [_by(THEIRS, NAME), _by(OURS, "blue.example"), lambda _: App("plain", ADDRESS, HTTP)],
    indirect=True,
    ids=["another authority", "another name", "no TLS"],
)
def test_whoever_cannot_show_that_is_not_called(served: Stage) -> None:
    assert served.ask("front", build.SERVICE).status == 503
