"""link: admits an agent replica to its stream, by its certificate alone.

What a message says about org or cluster is never read. The feed decides about eviction and epochs; a replica that it
admits gets a Welcome and then whatever it lacks.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import grpc
from cryptography import x509

from gateway.hub.feed import Feed
from gateway.hub.holdings import CERTIFICATES, Holdings
from gateway.hub.identity import caller
from gateway.hub.status import Context, answering
from gateway.hub.stream import Stream, Timing
from gateway.hub.wakes import Wakes
from gateway.proto import link_pb2 as link
from gateway.proto import link_pb2_grpc
from isthmus.errors import Invalid

log = logging.getLogger(__name__)

FEATURES = ("withdraw", "signatures", CERTIFICATES)
"""What this hub can do beyond the first protocol; both sides use only what both name."""


@dataclass
class Link(link_pb2_grpc.LinkServicer):
    """The service. `hub` is this hub's name, as replicas are recorded under."""

    feed: Feed
    wakes: Wakes
    hub: str
    link_ca: x509.Certificate
    base: str
    clock: Callable[[], datetime]
    timing: Timing = field(default_factory=Timing)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def Connect(self, requests: object, context: Context) -> None:  # type: ignore[override]  # noqa: ARG002
        """One stream; ends with OK when the agent hangs up."""
        async with answering(context, "stream"):
            who = caller(context, self.link_ca, self.base, self.clock())
            hello = await self._hello(context)
            admitted = await self.feed.admit(who.agent, who.key_sha256, hello, self.hub)
            welcome = link.Welcome(
                features=FEATURES,
                epoch=admitted.epoch,
                heartbeat_seconds=self.timing.heartbeat,
                trust_domain=admitted.trust_domain,
                cluster=admitted.cluster,
                region=admitted.region,
                org=admitted.org_slug,
            )
            name = f"replica {who.agent.replica} of cluster {admitted.cluster} of {admitted.org_slug}"
            log.info("connected: %s, epoch %d, version %s", name, admitted.epoch, hello.version)
            with self.wakes.listening(who.agent.cluster) as changed:
                stream = Stream(
                    self.feed,
                    context,
                    who,
                    admitted.epoch,
                    Holdings(hello),
                    changed,
                    self.stopping,
                    self.clock,
                    self.timing,
                )
                await stream.send(link.FromHub(welcome=welcome))
                try:
                    await stream.run()
                finally:
                    log.info("disconnected: %s, epoch %d", name, admitted.epoch)

    async def _hello(self, context: Context) -> link.Hello:
        try:
            async with asyncio.timeout(self.timing.hello):
                first = await context.read()
        except TimeoutError as late:
            raise Invalid.one("", "hello_missing", f"no Hello within {self.timing.hello} s") from late
        if first is grpc.aio.EOF or first.WhichOneof("body") != "hello":
            raise Invalid.one("", "hello_missing", "the first message of a stream is Hello")
        hello: link.Hello = first.hello
        return hello
