"""stream: one connection to a hub, from Hello to its end: news downwards, what follows upwards.

Downwards everything is checked, then kept on disk, then applied: a crash in between costs nothing but a message that
comes again. Upwards counts go before the heartbeat that says the offer is applied, or a cluster whose proxies are still
at work would look like one without proxies.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import grpc

import isthmus
from gateway.agent.ca import Authority
from gateway.agent.cluster import Cluster
from gateway.agent.finishing import finished
from gateway.agent.intake import Intake
from gateway.agent.outbox import Outbox
from gateway.agent.questions import SIGNATURES, Questions
from gateway.agent.state import State
from gateway.edge.lines import line
from gateway.proto import link_pb2 as link
from isthmus.errors import Unavailable

LOG = logging.getLogger("isthmus.agent.link")
FEATURES = ("withdraw", SIGNATURES, "certificates")
"""What this agent can do beyond the first protocol; both sides use only what both name."""
COALESCE_SECONDS = 0.02
_WELCOME_SECONDS = 15.0
_ASK_AGAIN_SECONDS = 30.0


class Stream:
    """One stream. `call` is gRPC's; `epoch` is what the hub gave us."""

    def __init__(
        self,
        call: Any,  # noqa: ANN401 - grpc's stream calls have no public type
        cluster: Cluster,
        state: State,
        authority: Authority,
        clock: Callable[[], datetime],
        address: str,
        questions: Questions,
    ) -> None:
        self._call, self._cluster, self._authority, self._clock = call, cluster, authority, clock
        self._state, self._address, self._questions = state, address, questions
        self._outbox = Outbox()
        self._intake = Intake(cluster, state, authority, clock)
        self._asked_at = float("-inf")
        self._welcome = link.Welcome()
        self._sending = asyncio.Lock()

    @property
    def epoch(self) -> int:
        """What the hub gave this replica; 0 until Welcome."""
        return self._welcome.epoch

    async def run(self, epoch: int) -> None:
        """Until the hub ends it (AioRpcError, or return) or never says Welcome (Unavailable)."""
        hello = link.Hello(
            version=isthmus.__version__,
            features=FEATURES,
            epoch=epoch,
            held=self._cluster.world.positions(),
            resources=sorted(self._intake.bodies),
        )
        await self._say(hello=hello)
        await self._welcomed()
        with self._questions.open(self._welcome.features):
            await self._speak()

    async def _speak(self) -> None:
        tasks = [asyncio.create_task(task()) for task in (self._read, self._write, self._ask)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _welcomed(self) -> None:
        try:
            async with asyncio.timeout(_WELCOME_SECONDS):
                first = await self._call.read()
        except TimeoutError as late:
            raise Unavailable(f"no Welcome within {_WELCOME_SECONDS} s") from late
        if first is grpc.aio.EOF or first.WhichOneof("body") != "welcome":
            raise Unavailable("the hub did not begin with Welcome")
        self._welcome = first.welcome
        held = self._authority.held
        domain = held.domain.text if held else self._welcome.trust_domain
        place = replace(
            self._cluster.world.place,
            cluster=self._welcome.cluster,
            region=self._welcome.region,
            trust_domain=domain,
        )
        await finished(self._state.place, place)
        self._cluster.placed(place)
        LOG.info(line("link_up", hub=self._address, cluster=place.cluster, epoch=self.epoch))

    async def _read(self) -> None:
        while (message := await self._call.read()) is not grpc.aio.EOF:
            if message.WhichOneof("body") == "signature":
                self._questions.answered(message.signature)
                continue
            for answer in await self._intake.take(message):
                await self._send(answer)

    async def _ask(self) -> None:
        """Questions in a task of their own: who gives up on one must not cancel a write, which would end the stream."""
        while True:
            question = await self._questions.next()
            await self._say(signature=question)

    async def _write(self) -> None:
        """What has settled, as it settles; a heartbeat whenever one is due."""
        loop = asyncio.get_running_loop()
        interval = self._welcome.heartbeat_seconds or 5.0
        beat = loop.time()
        with self._cluster.listening() as changed:
            while True:
                changed.clear()
                await self._tell()
                if loop.time() >= beat:
                    await self._beat()
                    beat = loop.time() + interval
                await asyncio.sleep(COALESCE_SECONDS)
                try:
                    async with asyncio.timeout_at(beat):
                        await changed.wait()
                except TimeoutError:
                    continue

    async def _tell(self) -> None:
        now, clock = asyncio.get_running_loop().time(), self._clock()
        settled = self._cluster.settled
        if acks := self._outbox.acks(settled):
            await self._say(acks=acks)
        for summary in self._outbox.summaries(settled):
            await finished(self._state.summary, summary)
            await self._say(summary=summary)
        if now - self._asked_at > _ASK_AGAIN_SECONDS:
            request = self._authority.request(self._welcome.trust_domain, clock)
            if request:
                self._asked_at = now
                await self._say(intermediate=request)

    async def _beat(self) -> None:
        cluster = self._cluster
        beat = link.Heartbeat(applied=cluster.settled.positions, wardens=cluster.wardens, proxies=cluster.proxies)
        await self._say(heartbeat=beat)

    async def _say(self, **body: Any) -> None:  # noqa: ANN401 - one of link.FromAgent's members
        await self._send(link.FromAgent(**body))

    async def _send(self, message: link.FromAgent) -> None:
        """GRPC takes one message at a time. Unavailable once the stream has ended."""
        async with self._sending:
            try:
                await self._call.write(message)
            except asyncio.InvalidStateError as ended:
                raise Unavailable("the stream has ended") from ended
