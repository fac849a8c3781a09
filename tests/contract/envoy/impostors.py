"""impostors: who is not what it says: a server that shows any certificate, and a client that shows any.

Both speak the mesh's own HTTP/1.1 as a proxy of ours would, so that of two that differ in their certificates only, one
is let in and the other is not.
"""

import json
import socket
import ssl
import threading
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

from isthmus.values import ALPN_H1

Chain = tuple[bytes, bytes]
"""A certificate and its key, as PEM."""


class Impostor:
    """A server at an address. `asked`: what it was sent inside of TLS, or in plaintext where it shows nothing."""

    def __init__(self, name: str, address: str, port: int, folder: Path) -> None:
        self.asked: list[bytes] = []
        self._name, self._folder = name, folder
        self._context: ssl.SSLContext | None = None
        impostor = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                impostor.serve(self.request)

        self._server = _Server((address, port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def show(self, chain: Chain | None) -> None:
        """What it shows from now on; None: it does not speak TLS."""
        self._context = None
        if chain is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols([ALPN_H1])
            _load(context, chain, self._folder)
            self._context = context

    def serve(self, raw: socket.socket) -> None:
        """One connection: one request, if there comes one."""
        raw.settimeout(5)
        try:
            with self._context.wrap_socket(raw, server_side=True) if self._context else raw as connection:
                if request := connection.recv(10_000):
                    self.asked.append(request)
                    body = json.dumps({"app": self._name}).encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        except OSError:
            return

    def stop(self) -> None:
        """Nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def ask_as(
    at: tuple[str, int], folder: Path, chain: Chain | None, *, name: str = "any", alpn: str | None = ALPN_H1
) -> bytes:
    """The first bytes of the answer to a request of who shows this; empty if it is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn is not None:
        context.set_alpn_protocols([alpn])
    if chain is not None:
        _load(context, chain, folder)
    try:
        with socket.create_connection(at, timeout=5) as raw, context.wrap_socket(raw, server_hostname=name) as sent:
            return greet(sent)
    except (ssl.SSLError, ConnectionError):
        return b""


def ask_in_plaintext(at: tuple[str, int]) -> bytes:
    """The same of who does not even speak TLS."""
    try:
        with socket.create_connection(at, timeout=5) as raw:
            return greet(raw)
    except ConnectionError:
        return b""


def greet(connection: socket.socket) -> bytes:
    """A request, and what comes of it."""
    connection.sendall(b"GET /attack HTTP/1.1\r\nHost: colors.local\r\n\r\n")
    return connection.recv(1000)


def _load(context: ssl.SSLContext, chain: Chain, folder: Path) -> None:
    """Python reads certificates from files only."""
    (folder / "leaf.pem").write_bytes(chain[0])
    (folder / "key.pem").write_bytes(chain[1])
    context.load_cert_chain(folder / "leaf.pem", folder / "key.pem")
