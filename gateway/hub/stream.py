"""stream: one agent replica's connection, from Welcome to its end.

Tasks that share nothing but what is named here: read what the agent says, write what is news to it, post its reports to
the feed, answer its questions, and keep asking whether it may still speak. Whichever ends first ends them all.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

import grpc

from gateway.hub.feed import Feed
from gateway.hub.holdings import CERTIFICATES, Holdings
from gateway.hub.identity import Proven
from gateway.hub.inbox import Inbox, Pace
from gateway.hub.signatures import Questions
from gateway.hub.status import Context
from gateway.proto import link_pb2 as link
from isthmus.errors import Denied, IsthmusError, Unavailable

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 64 * 1024 * 1024  # bytes, both ways


class Stopping(Unavailable):
    """The hub is going away; another one, or this one soon, takes the agent."""

    code = "hub_stopping"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: between an agent's heartbeats, between looks at whether it may still speak, for its Hello to come."""

    heartbeat: float = 5
    guard: float = 20
    hello: float = 10
    retry: float = 0.5


@dataclass
class Stream:
    """What the tasks share. `changed` is set when the feed may have news, `stopping` when the hub ends."""

    feed: Feed
    context: Context
    who: Proven
    epoch: int
    held: Holdings
    changed: asyncio.Event
    stopping: asyncio.Event
    clock: Callable[[], datetime]
    timing: Timing
    inbox: Inbox = field(default_factory=Inbox)
    spoken: asyncio.Event = field(default_factory=asyncio.Event)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    questions: Questions = field(init=False)

    def __post_init__(self) -> None:
        self.questions = Questions(self.feed, self.who.agent, self.clock, self.send)

    async def run(self) -> None:
        """Until the agent hangs up (return) or may not go on (raise, possibly an ExceptionGroup)."""
        tasks = (self._pump, self._post, self._guard, self._stop, *self.questions.tasks)
        async with asyncio.TaskGroup() as group:
            others: list[asyncio.Task[None]] = [group.create_task(task()) for task in tasks]
            await self._read()
            for task in others:
                task.cancel()
        await self._post_all()

    async def send(self, message: link.FromHub) -> None:
        """Write one message; gRPC takes one at a time."""
        async with self.writing:
            await self.context.write(message)

    async def _read(self) -> None:
        while (message := await self.context.read()) is not grpc.aio.EOF:
            match message.WhichOneof("body"):
                case "heartbeat" | "summary" | "acks" | "refusal":
                    self.inbox.put(message)
                    self.spoken.set()
                case "intermediate":
                    await self.send(link.FromHub(intermediate=await self._sign(message.intermediate.csr_der)))
                case "signature":
                    self.questions.put(message.signature)
                case other:
                    log.debug("%s said %s, which this hub did not ask for", self.who.agent.replica, other)

    async def _sign(self, csr_der: bytes) -> link.IntermediateCertificate:
        """The intermediate, or why not: a bad request does not end a stream that serves a cluster."""
        try:
            signed = await self.feed.intermediate(self.who.agent, csr_der)
        except Denied:
            raise
        except IsthmusError as refused:
            log.warning("no intermediate for %s: %s", self.who.agent.replica, refused)
            return link.IntermediateCertificate(refused=f"{refused.code}: {refused}")
        log.info("signed an intermediate of %s for %s", signed.trust_domain, self.who.agent.replica)
        return signed

    async def _pump(self) -> None:
        while True:
            await self.changed.wait()
            self.changed.clear()
            await self._retrying(self._look)

    async def _look(self) -> None:
        """Bundles and certificates first: what is defined next may name what only they make known."""
        agent = self.who.agent
        trust = await self.feed.trust(agent)
        if self.held.lacks(trust.position):
            await self.send(link.FromHub(trust=trust))
            self.held.take(trust.position)
        await self._certify()
        offers = await self.feed.offers(agent)
        for offer in offers:
            if self.held.lacks(offer.position):
                await self._offer(offer)
        await self._withdraw(frozenset(offer.position.mesh for offer in offers))
        for imports in await self.feed.imports(agent):
            if self.held.lacks(imports.position):
                await self.send(link.FromHub(imports=imports))
                self.held.take(imports.position)

    async def _certify(self) -> None:
        """Keys go only to agents that know how to keep them."""
        if CERTIFICATES in self.held.features:
            certificates = await self.feed.certificates(self.who.agent)
            if self.held.lacks(certificates.position):
                await self.send(link.FromHub(certificates=certificates))
                self.held.take(certificates.position)

    async def _offer(self, offer: link.Offer) -> None:
        missing = self.held.missing(offer.manifest)
        bodies = await self.feed.bodies(self.who.agent, missing) if missing else {}
        if absent := [version for version in missing if version not in bodies]:
            log.error("offer %s lacks %d bodies, %s first", offer.position.version, len(absent), absent[0])
            return
        full = link.Offer()
        full.CopyFrom(offer)
        full.bodies.extend(bodies[version] for version in missing)
        if full.ByteSize() > MESSAGE_LIMIT:
            log.error("offer %s has %d bytes, which no message holds", offer.position.version, full.ByteSize())
            return
        await self.send(link.FromHub(offer=full))
        self.held.take(offer.position, missing)
        await self.feed.sent(self.who.agent, offer.position)

    async def _withdraw(self, offered: frozenset[str]) -> None:
        if not (unlisted := sorted(self.held.meshes() - offered)):
            return
        for gone in await self.feed.withdrawn(self.who.agent, unlisted):
            await self.send(link.FromHub(withdraw=gone))
            self.held.drop(gone.mesh)

    async def _post(self) -> None:
        loop = asyncio.get_running_loop()
        pace = Pace(loop.time())
        while True:
            if not self.inbox:
                await self.spoken.wait()
            self.spoken.clear()
            if delay := pace.wait(loop.time(), urgent=self.inbox.urgent):
                await _until(self.spoken, delay)
                continue
            pace.spend()
            await self._retrying(self._post_all)

    async def _post_all(self) -> None:
        """Everything that waits; what could not be written waits on."""
        messages = self.inbox.take()
        while messages:
            try:
                await self.feed.post(self.who.agent, self.epoch, messages[0])
            except BaseException:
                self.inbox.put_back(messages)
                raise
            messages.pop(0)

    async def _guard(self) -> None:
        while True:
            await asyncio.sleep(self.timing.guard)
            self.who.check(self.clock())
            try:
                await self.feed.confirm(self.who.agent, self.epoch)
            except Unavailable as away:
                log.warning("cannot tell whether %s may go on: %s", self.who.agent.replica, away)

    async def _stop(self) -> None:
        await self.stopping.wait()
        raise Stopping("this hub is stopping: dial another")

    async def _retrying(self, act: Callable[[], Awaitable[None]]) -> None:
        """Until it is done: a feed that is away for a while must not end the streams of a region."""
        while True:
            try:
                return await act()
            except Unavailable as away:
                log.warning("the feed is away, %s waits: %s", self.who.agent.replica, away)
                await asyncio.sleep(self.timing.retry)


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but not longer."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
