"""applications: what stands behind the proxies: echoes that say who they are, do as they are told, and count.

They speak HTTP/1.1, gRPC and TCP; `h2.py` puts HTTP/2 before the first. Each is told beforehand what it will do
(`then`: the next requests, once each; `always`: the others), and keeps what it was asked (`asked`).
"""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import grpc

LONGEST = 30.0
"""Seconds after which a hanging application gives up, in case nobody lets it go."""


@dataclass(frozen=True)
class Does:
    """What an application does with a request. `after` seconds; `hangs` until `forget`; `resets` the connection.

    `status` is HTTP's, or gRPC's number.
    """

    status: int = 0
    after: float = 0.0
    hangs: bool = False
    resets: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


HANGS, RESETS = Does(hangs=True), Does(resets=True)


@dataclass(frozen=True)
class Asked:
    """A request as an application got it; of TCP, `body` alone."""

    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Told:
    """What an application was told to do, and what it was asked."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self.name, self.address, self.port = name, address, port
        self.always = Does()
        self.asked: list[Asked] = []
        self.connections = 0
        self._next: deque[Does] = deque()
        self._let_go = threading.Event()

    def then(self, *does: Does | int) -> None:
        """The next requests, one each, before what it `always` does."""
        self._next.extend(Does(d) if isinstance(d, int) else d for d in does)

    def forget(self) -> None:
        """As it was in the beginning; whoever hangs is let go."""
        self._let_go.set()
        self._let_go = threading.Event()
        self.always, self.asked, self.connections = Does(), [], 0
        self._next.clear()

    def do(self, asked: Asked) -> Does:
        """What to do with a request, when the time for it has come."""
        self.asked.append(asked)
        let_go = self._let_go
        does = self._next.popleft() if self._next else self.always
        if does.after or does.hangs:
            let_go.wait(LONGEST if does.hangs else does.after)
        return does

    def said(self, asked: Asked) -> bytes:
        """What an echo answers, as JSON."""
        said = {"app": self.name, "port": self.port, "method": asked.method, "path": asked.path}
        return json.dumps(said | {"headers": dict(asked.headers), "body": asked.body.decode()}).encode()


class App(_Told):
    """HTTP/1.1. `listens`: where it does so itself, if something else does so for it at `port`."""

    def __init__(self, name: str, address: str, port: int, listens: int | None = None) -> None:
        super().__init__(name, address, port)
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                does = app.do(asked)
                if does.resets:
                    reset(self.connection)
                    self.close_connection = True
                    return
                self._answer(does, app.said(asked))

            def _answer(self, does: Does, said: bytes) -> None:
                self.send_response(does.status or 200)
                for header, value in does.headers.items():
                    self.send_header(header, value)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(said)

            do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_TRACE = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self._server = (_HttpServer6 if ":" in address else _HttpServer)((address, listens or port), Handler)
        self._server.counted = self._count
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _count(self) -> None:
        self.connections += 1

    def stop(self) -> None:
        """Nobody listens any more."""
        self.forget()
        self._server.shutdown()
        self._server.server_close()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    counted: Callable[[], None]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's
        self.counted()
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - a caller that went away
        pass


class _HttpServer6(_HttpServer):
    address_family = socket.AF_INET6


class GrpcApp(_Told, grpc.GenericRpcHandler):
    """gRPC: any unary method of any service; the answer is JSON, whatever the request. `status` is gRPC's number."""

    def __init__(self, name: str, address: str, port: int) -> None:
        super().__init__(name, address, port)
        self._server = grpc.server(ThreadPoolExecutor(16), handlers=[self], options=[("grpc.so_reuseport", 0)])
        assert self._server.add_insecure_port(f"{address}:{port}") == port
        self._server.start()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Every method is the same."""
        headers = {k: v for k, v in handler_call_details.invocation_metadata if isinstance(v, str)}
        path = handler_call_details.method

        def answer(body: bytes, context: grpc.ServicerContext) -> bytes:
            asked = Asked("POST", path, headers, body)
            does = self.do(asked)
            context.set_trailing_metadata(tuple(does.headers.items()))
            if does.status:
                context.abort(_CODES[does.status], f"{self.name} was told to")
            return self.said(asked)

        return grpc.unary_unary_rpc_method_handler(answer)

    def stop(self) -> None:
        """Nobody listens any more."""
        self.forget()
        self._server.stop(grace=0).wait()


_CODES = {code.value[0]: code for code in grpc.StatusCode}


class TcpApp(_Told):
    """TCP: greets with its name and a newline, then sends back what comes."""

    def __init__(self, name: str, address: str, port: int) -> None:
        super().__init__(name, address, port)
        app = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                app.connections += 1
                self.request.sendall(f"{app.name}\n".encode())
                while received := self.request.recv(65536):
                    if app.do(Asked(body=received)).resets:
                        reset(self.request)
                        return
                    self.request.sendall(received)

        self._server = _TcpServer((address, port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more."""
        self.forget()
        self._server.shutdown()
        self._server.server_close()


class _TcpServer(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - a caller that went away
        pass


def reset(connection: socket.socket) -> None:
    """End a connection without a farewell (RST): a linger time of 0 (socket(7))."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RD)
    connection.close()
