"""serving: ADS for Envoys of App Mesh's image: who calls, which proxy that is, and its stream until either side ends.

Status codes are AWS's, because the image's agent logs and retries by them (appmesh.md §4.2). A stream ends by itself
after a while, with 0, as AWS's did: whose key is revoked meanwhile does not get another.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc

from gateway.agent.aws_image.admission import address_of, admit
from gateway.agent.aws_image.builds import Build, build_of
from gateway.agent.aws_image.credentials import Credentials
from gateway.agent.aws_image.dialects import DELTA, SOTW, Dialect, Session
from gateway.agent.aws_image.identity import Claimed
from gateway.agent.aws_image.settings import Settings
from gateway.agent.aws_image.watching import Watched
from gateway.agent.cluster import Cluster
from gateway.agent.inventory import Workload
from gateway.edge.lines import line
from isthmus import sigv4
from isthmus.errors import Exhausted, Invalid, IsthmusError, Kind

LOG = logging.getLogger("isthmus.agent.aws_image")
CODES = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}
PATIENCE_SECONDS = 30.0
"""How long a caller may take to say who it is."""

Context = grpc.aio.ServicerContext[Any, Any]
Requests = AsyncIterator[Any]


@dataclass(slots=True)
class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # Envoy's stubs are untyped
    """Both methods."""

    cluster: Cluster
    credentials: Credentials
    settings: Settings
    clock: Callable[[], datetime]
    _open: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _left: dict[tuple[str, str], Any] = field(default_factory=dict)

    async def StreamAggregatedResources(self, requests: Requests, context: Context) -> AsyncIterator[Any]:
        """State of the world: what the image speaks."""
        async with aclosing(self._answered(SOTW, requests, context)) as responses:
            async for response in responses:
                yield response

    async def DeltaAggregatedResources(self, requests: Requests, context: Context) -> AsyncIterator[Any]:
        """Delta: what a stock Envoy may speak in its place."""
        async with aclosing(self._answered(DELTA, requests, context)) as responses:
            async for response in responses:
                yield response

    async def _answered(self, dialect: Dialect, requests: Requests, context: Context) -> AsyncGenerator[Any, None]:
        try:
            account = await self.credentials.account(context.invocation_metadata() or (), dialect.method)
            first = await _first(requests)
            listed = self.cluster.settled.composition.inventory.workloads
            claimed, address = Claimed.parse(first.node.id), address_of(context.peer())
            work = admit(claimed, account, address, self.cluster.world, listed)
            with self._seat(work):
                async with aclosing(self._stream(dialect, work, first, requests)) as responses:
                    async for response in responses:
                        yield response
        except IsthmusError as refused:
            await _abort(context, refused)

    @contextmanager
    def _seat(self, work: Workload) -> Iterator[None]:
        """One of the places of a node; Exhausted if there is none."""
        who, most = work[1:], self.settings.most
        if self._open[who] >= most:
            raise Exhausted(f"virtual {work.role} {work.of} has {most} Envoys, which is the limit")
        self._open[who] += 1
        try:
            yield
        finally:
            self._open[who] -= 1

    async def _stream(
        self,
        dialect: Dialect,
        work: Workload,
        first: Any,  # noqa: ANN401 - a request of either dialect
        requests: Requests,
    ) -> AsyncGenerator[Any, None]:
        """What it is to have, whenever that or what it says changes."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + random.uniform(*self.settings.lifetime)  # noqa: S311 - a spread, not a secret
        build = build_of(first.node)
        envoy = str(build)
        with self.cluster.image(work, envoy) as number, self.cluster.listening() as wake:
            watched = Watched(self.cluster, work, envoy, number, lambda: self.clock().timestamp())
            while not watched.look():
                wake.clear()
                await wake.wait()
            session, key = self._session(dialect, work, build, watched), (work.instance.name, dialect.method)
            session.receive(first)
            LOG.info(line("image_up", proxy=work.instance.name, mesh=work.mesh, envoy=envoy))
            reader = asyncio.create_task(_read(session, requests, wake))
            reader.add_done_callback(lambda _: wake.set())
            try:
                while not reader.done() and loop.time() < ends:
                    wake.clear()
                    if watched.look():
                        session.update(watched.wanted())
                    for response in session.pending():
                        yield response
                    watched.report(session)
                    await _woken(wake, ends - loop.time())
                if reader.done():
                    reader.result()
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
                self._left[key] = dialect.left(session)
                LOG.info(line("image_down", proxy=work.instance.name))

    def _session(self, dialect: Dialect, work: Workload, build: Build, watched: Watched) -> Session:
        """With what the stream before it left; what nobody can come back for is forgotten."""
        known = self.cluster.world.images
        if len(self._left) > 2 * len(known):
            self._left = {key: left for key, left in self._left.items() if key[0] in known}
        session = dialect.open([str(build.minor)], self._left.pop((work.instance.name, dialect.method), None))
        session.update(watched.wanted())
        return session


async def _first(requests: Requests) -> Any:  # noqa: ANN401 - a request of either dialect
    """The first request, in which an Envoy says who it is; Invalid if none comes."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await anext(requests)
    except (StopAsyncIteration, TimeoutError):
        raise Invalid.one("/node", "missing", "the first request must come, and say who the Envoy is") from None


async def _read(session: Session, requests: Requests, wake: asyncio.Event) -> None:
    async for request in requests:
        session.receive(request)
        wake.set()


async def _woken(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await wake.wait()
    except TimeoutError:
        pass


async def _abort(context: Context, why: IsthmusError) -> NoReturn:
    code = grpc.StatusCode.UNAUTHENTICATED if isinstance(why, sigv4.Refused) else CODES[why.kind]
    LOG.warning(line("image_refused", peer=context.peer(), code=why.code, why=why))
    await context.abort(code, str(why), (("isthmus-code", why.code),))
    raise AssertionError("abort always raises")
