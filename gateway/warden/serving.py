"""serving: ADS for one proxy over one Unix socket. The path is the identity: only that proxy's user can open it.

An Envoy speaks delta, an application that is its own client the state of the world, each on sockets of its own.

A transport and nothing else: every decision is `isthmus.xds.ads`'s. One writer a stream, because gRPC takes one message
at a time; it is woken by requests and by changes.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from gateway.edge import requests
from gateway.edge.lines import line
from gateway.edge.pings import TOLERANT
from gateway.warden.proxy import Proxy, Stream
from gateway.warden.proxyless import Proxyless
from isthmus.errors import Invalid, IsthmusError

LOG = logging.getLogger("isthmus.warden.ads")
_LONGEST_PATH = 107  # sun_path, unix(7), without its NUL
_OPTIONS = [
    *TOLERANT,
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
]
Context = grpc.aio.ServicerContext[Any, Any]
Requests = AsyncIterator[Any]
"""Of whichever dialect a proxy's session speaks, as are its responses."""


class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # Envoy's stubs are untyped
    """One proxy's service. `heard` is told after everything that Envoy says."""

    def __init__(self, proxy: Proxy, heard: Callable[[Proxy], None]) -> None:
        self._proxy, self._heard = proxy, heard

    async def DeltaAggregatedResources(
        self, requests: Requests, context: Context
    ) -> AsyncIterator[discovery_pb2.DeltaDiscoveryResponse]:
        """An Envoy's stream."""
        if isinstance(self._proxy, Proxyless):
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "its instance is listed with `grpc`: it has no Envoy"
            )
        async with aclosing(self._answered(requests, context)) as responses:
            async for response in responses:
                yield response

    async def StreamAggregatedResources(
        self, requests: Requests, context: Context
    ) -> AsyncIterator[discovery_pb2.DiscoveryResponse]:
        """A stream of gRPC's own client."""
        if not isinstance(self._proxy, Proxyless):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "its instance is not listed with `grpc`")
        async with aclosing(self._answered(requests, context)) as responses:
            async for response in responses:
                yield response

    async def _answered(self, requests: Requests, context: Context) -> AsyncGenerator[Any, None]:
        """One stream, until either side ends it."""
        stream = self._proxy.open()
        reader = asyncio.create_task(self._read(stream, requests))
        reader.add_done_callback(lambda _: stream.wake.set())
        try:
            while not reader.done():
                stream.wake.clear()
                for response in stream.session.pending():
                    yield response
                await stream.wake.wait()
            if isinstance(refused := reader.exception(), IsthmusError):
                LOG.warning(line("proxy_refused", proxy=self._proxy.state.proxy, why=refused))
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(refused))
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self._proxy.close(stream)
            self._proxy.forget()
            self._heard(self._proxy)

    async def _read(self, stream: Stream, requests: Requests) -> None:
        async for request in requests:
            stream.session.receive(request)
            stream.wake.set()
            self._heard(self._proxy)


class Socket:
    """The socket of one proxy."""

    def __init__(self, path: Path, proxy: Proxy, heard: Callable[[Proxy], None]) -> None:
        self._path = path
        self._server = grpc.aio.server(options=_OPTIONS)
        requests.add(Ads(proxy, heard), self._server)

    async def open(self) -> None:
        """Listen; Invalid if the path is too long for a socket."""
        if len(os.fsencode(self._path)) > _LONGEST_PATH:
            detail = f"{self._path} is longer than the {_LONGEST_PATH} bytes of a socket's path: choose a shorter --dir"
            raise Invalid.one("/dir", "path_too_long", detail)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # of a warden that was killed
        self._server.add_insecure_port(f"unix:{self._path}")
        await self._server.start()
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop serving; Envoy goes on with what it has."""
        await self._server.stop(0.2)
        self._path.unlink(missing_ok=True)
