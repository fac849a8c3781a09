"""asking: what stands before the proxies: one request, one gRPC call or one connection, each on its own."""

import http.client
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import grpc

PATIENCE = 10.0
"""Seconds that a caller waits for an answer."""

_TAKEN: set[int] = set()


def free_port() -> int:
    """A TCP port that nobody listens on, on any loopback address; no port twice."""
    while True:
        with socket.socket() as probe:
            probe.bind(("0.0.0.0", 0))  # noqa: S104 - all of loopback
            port: int = probe.getsockname()[1]
        if port not in _TAKEN:
            _TAKEN.add(port)
            return port


class Answer(NamedTuple):
    """What came back, header names in lower case; `said` is the application's JSON."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def said(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)

    @property
    def by(self) -> str:
        """The application that answered, or the status if it was none."""
        try:
            return str(self.said["app"])
        except ValueError:
            return str(self.status)


def ask(
    address: str,
    port: int,
    host: str,
    path: str = "/",
    method: str = "GET",
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One HTTP/1.1 request on a connection of its own; OSError if nobody listens."""
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE)
    with closing(connection):
        connection.request(method, path, body=body, headers={"Host": host} | dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()})


class Reply(NamedTuple):
    """What a gRPC call came to: the application's JSON, or None, and the trailing metadata."""

    code: grpc.StatusCode
    details: str
    said: Any
    trailers: Mapping[str, str]


def call(
    address: str,
    port: int,
    authority: str,
    method: str,
    *,
    body: bytes = b"",
    metadata: Iterable[tuple[str, str]] = (),
    seconds: float = PATIENCE,
) -> Reply:
    """One unary gRPC call, `/package.Service/Method`, on a connection of its own, HTTP/2 by prior knowledge."""
    options = [("grpc.default_authority", authority), ("grpc.use_local_subchannel_pool", 1)]
    options += [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"ipv4:{address}:{port}", options=options) as channel:
        try:
            method_of: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
            said, over = method_of.with_call(body, timeout=seconds, metadata=tuple(metadata))
            return Reply(grpc.StatusCode.OK, "", json.loads(said), _plain(over.trailing_metadata()))
        except grpc.RpcError as error:
            return Reply(error.code(), error.details() or "", None, _plain(error.trailing_metadata()))


def _plain(metadata: Any) -> Mapping[str, str]:  # noqa: ANN401 - gRPC's
    return {key: value for key, value in metadata or () if isinstance(value, str)}


@contextmanager
def connected(address: str, port: int, seconds: float = PATIENCE) -> Iterator[socket.socket]:
    """A TCP connection; OSError if nobody listens."""
    with socket.create_connection((address, port), timeout=seconds) as connection:
        yield connection


def received(connection: socket.socket, size: int = 65536) -> bytes:
    """What comes next, nothing if the other side closes or resets."""
    try:
        return connection.recv(size)
    except ConnectionError:
        return b""


def listens(address: str, port: int) -> bool:
    """Whether anyone takes connections there."""
    try:
        with connected(address, port, 1):
            return True
    except OSError:
        return False
