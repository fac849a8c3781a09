"""sample: the workload of demos and tests, a small HTTP/1.1 server on asyncio's streams.

It depends on nothing, so that what a test measures is the mesh: it answers with what it saw (the client certificate as
its sidecar reports it, above all), and, where told to, asks another service through its own sidecar first. Connections
are kept alive in both directions, as real workloads do: a mesh must balance requests, not connections.
"""

import asyncio
import json
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

CALL_SECONDS = 10.0
_PASSED_ON = ("x-request-id", "traceparent", "tracestate")
"""What joins the calls of one request in a trace; only the workload can carry it over."""
_BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, TimeoutError)

Headers = dict[str, str]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer: its first line's words, headers with names in lower case, and the body."""

    first: tuple[str, ...]
    headers: Headers
    body: bytes

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may carry another."""
        return self.headers.get("connection", "").lower() != "close"


@dataclass(frozen=True, slots=True)
class Callee:
    """Another service: where our sidecar listens for calls to it, and its name in `Host`."""

    host: str
    port: int
    name: str

    @classmethod
    def parse(cls, url: str, name: str) -> Self:
        """From `http://HOST:PORT` and the value of `Host`, by default the URL's own."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url!r} is not http://HOST:PORT")
        return cls(parts.hostname, parts.port or 80, name or parts.netloc)


class Sample:
    """The server; `who` is part of every answer."""

    def __init__(self, who: Mapping[str, str], callee: Callee | None = None) -> None:
        self._who, self._callee = dict(who), callee
        self._idle: list[Stream] = []

    async def serve(self, host: str, port: int) -> None:
        """Until SIGTERM or SIGINT."""
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        server = await asyncio.start_server(self._connection, host, port)
        await over.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(*_BROKEN, asyncio.CancelledError):  # cancelled only when the server ends
            while True:
                request = await read(reader)
                status, answer = await self._answer(request)
                writer.write(_response(status, answer, keep_alive=request.keep_alive))
                await writer.drain()
                if not request.keep_alive:
                    break
        writer.close()

    async def _answer(self, request: Message) -> tuple[str, dict[str, Any]]:
        path = request.first[1]
        answer: dict[str, Any] = self._who | {"path": path, "headers": request.headers}
        if self._callee is None or path.startswith("/ping"):
            return "200 OK", answer
        passed_on = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        try:
            async with asyncio.timeout(CALL_SECONDS):
                called = await self._call(self._callee, path, passed_on)
        except _BROKEN as e:
            return "502 Bad Gateway", answer | {"error": f"{type(e).__name__}: {e}"}
        if called.first[1] != "200":
            return "502 Bad Gateway", answer | {"error": f"{called.first[1]}: {called.body.decode(errors='replace')}"}
        return "200 OK", answer | {"called": json.loads(called.body)}

    async def _call(self, callee: Callee, path: str, headers: Headers) -> Message:
        """Ask, on a kept connection where there is one; it may have been closed meanwhile: then on a new one."""
        lines = [f"GET {path} HTTP/1.1", f"host: {callee.name}", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        request = "\r\n".join(lines).encode()
        if self._idle:
            with suppress(*_BROKEN):
                return await self._exchange(self._idle.pop(), request)
        return await self._exchange(await asyncio.open_connection(callee.host, callee.port), request)

    async def _exchange(self, stream: Stream, request: bytes) -> Message:
        reader, writer = stream
        try:
            writer.write(request)
            answer = await read(reader)
        except BaseException:
            writer.close()
            raise
        if answer.keep_alive:
            self._idle.append(stream)
        else:
            writer.close()
        return answer


async def read(reader: asyncio.StreamReader) -> Message:
    """The next message. IncompleteReadError at the end of the connection, ValueError for what is not HTTP/1.1."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    words = tuple(first.split(" ", 2))
    if len(words) < 2:  # noqa: PLR2004 - method and path, or version and status
        raise ValueError(f"not HTTP: {first!r}")
    return Message(words, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body (RFC 9112 §7.1); trailers are read and left."""
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return bytes(body)


def _response(status: str, answer: Mapping[str, Any], *, keep_alive: bool) -> bytes:
    body = json.dumps(answer).encode() + b"\n"
    connection = "keep-alive" if keep_alive else "close"
    form = f"content-type: application/json\r\ncontent-length: {len(body)}"
    return f"HTTP/1.1 {status}\r\n{form}\r\nconnection: {connection}\r\n\r\n".encode() + body
