"""A gRPC client that opens one stream and then says nothing but pings, exactly when a test wants.

grpcio's own client paces its pings itself and does not show them, so these few HTTP/2 frames (RFC 9113) are ours.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 1, 4, 6, 7, 8
ACK, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class CutOff(Exception):
    """The server hung up; with its GOAWAY's reason, if that was read before the connection was gone."""


class QuietClient:
    """One connection with one open call."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._pings = reader, writer, 0
        self.heard: list[int] = []
        """The types of the frames that came on the call's stream."""

    async def open(self, method: str) -> None:
        """Begin a call and leave it open; returns when the server has nothing more to say.

        Serving begins with a WINDOW_UPDATE, which counts as data. gRPC sends it along with the next thing that it has
        to send, so we ask for our settings to be confirmed until it has come.
        """
        self._writer.write(PREFACE + _frame(SETTINGS, 0, b"") + _frame(HEADERS, END_HEADERS, _head(method), 1))
        while WINDOW_UPDATE not in self.heard:
            await self._settle()
        self.heard.clear()

    async def ping(self) -> None:
        """Ask whether the server is there; CutOff if it minds, which it says after its answer."""
        self._pings += 1
        asked = self._pings.to_bytes(8)
        self._writer.write(_frame(PING, 0, asked))
        while await self._next() != (PING, ACK, asked):
            pass
        await self._settle()

    async def _settle(self) -> None:
        """Returns when the server has said all that it had to say."""
        self._writer.write(_frame(SETTINGS, 0, b""))
        while (await self._next())[:2] != (SETTINGS, ACK):
            pass

    async def _next(self) -> tuple[int, int, bytes]:
        try:
            head = await self._reader.readexactly(9)
            body = await self._reader.readexactly(int.from_bytes(head[:3]))
        except (asyncio.IncompleteReadError, ConnectionError) as gone:
            raise CutOff from gone
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
        if kind == GOAWAY:
            raise CutOff(body[8:].decode())
        if kind == SETTINGS and not flags & ACK:
            self._writer.write(_frame(SETTINGS, ACK, b""))
        if stream == 1:
            self.heard.append(kind)
        return kind, flags, body


@asynccontextmanager
async def calling(path: Path, method: str) -> AsyncIterator[QuietClient]:
    """A client with a call to `/service/method` open, on a Unix socket."""
    reader, writer = await asyncio.open_unix_connection(path)
    made = QuietClient(reader, writer)
    try:
        await made.open(method)
        yield made
    finally:
        writer.close()
        with suppress(ConnectionError):  # who was cut off has nothing to close
            await writer.wait_closed()


def _frame(kind: int, flags: int, body: bytes, stream: int = 0) -> bytes:
    return len(body).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + body


def _head(method: str) -> bytes:
    """A gRPC request's headers in HPACK (RFC 7541) with its static table and nothing else."""
    post, http, authority, path, content_type, literal = b"\x83", b"\x86", b"\x01", b"\x04", b"\x0f\x10", b"\x00"
    return (
        post + http + path + _text(method) + authority + _text("localhost")
        + content_type + _text("application/grpc") + literal + _text("te") + _text("trailers")
    )  # fmt: skip


def _text(text: str) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text.encode()
