"""link: the stream to an agent of this cluster: states and leaves come, reports and requests go.

Any agent will do; when one is lost the next is tried, with jitter, and the proxies notice nothing. The host's own
certificate is renewed over the stream at half of its life.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from gateway.edge import backoff
from gateway.edge.keys import due, new_key
from gateway.edge.lines import line
from gateway.proto import host_pb2 as host
from gateway.proto.host_pb2_grpc import HostStub
from gateway.warden.credential import HostCredential, granted
from gateway.warden.warden import Warden, clock
from isthmus import __version__
from isthmus.errors import IsthmusError
from isthmus.pki import csr
from isthmus.pki.template import PrivateKey

LOG = logging.getLogger("isthmus.warden.link")
MOST_UNUSED = 10_000
"""Bodies kept only because an agent has sent them on this stream; beyond it a new stream begins, without them."""
TICK_SECONDS = 1.0
"""How often leaves are looked at when nothing else wakes us."""


@dataclass
class Renewal:
    """A renewal of the host's certificate that is under way."""

    key: PrivateKey


class Link:
    """Keeps a stream to one of the agents."""

    def __init__(self, warden: Warden, credential: HostCredential, file: Path) -> None:
        self._warden, self._credential, self._file = warden, credential, file
        self._renewal: Renewal | None = None
        self._spread = random.random()  # noqa: S311 - jitter, no secret

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            for agent in self._credential.agents:
                failures = 1 if await self._once(agent) else failures + 1
                await asyncio.sleep(backoff.seconds(failures, backoff.spread()))

    async def _once(self, agent: str) -> bool:
        """One stream, until it breaks; whether it ever worked."""
        worked = False
        try:
            async with self._credential.channel(agent) as channel:
                async for message in HostStub(channel).Serve(self._speak()):
                    if not worked:
                        LOG.info(line("agent_up", agent=agent, host=self._credential.host))
                    worked = True
                    await self._hear(message)
        except grpc.aio.AioRpcError as lost:
            LOG.warning(line("agent_lost", agent=agent, code=lost.code().name, why=lost.details()))
        return worked

    async def _speak(self) -> AsyncIterator[host.FromWarden]:
        """Hello with what we hold, every report once, then what changes and what is due."""
        warden = self._warden
        warden.kept.sweep()
        yield host.FromWarden(hello=host.WardenHello(version=__version__, resources=sorted(warden.kept.bodies)))
        everything = True
        self._renewal = None
        while True:
            warden.changed.clear()
            for report in warden.reports(everything=everything):
                yield host.FromWarden(report=report)
            everything = False
            for request in warden.requests():
                yield host.FromWarden(leaf=request)
            if self._renewal is None and clock() >= due(self._credential.certificate, self._spread):
                self._renewal = Renewal(new_key())
                yield host.FromWarden(renewal=host.HostRenewal(csr_der=csr.make(self._renewal.key)))
            if len(warden.kept.unused) > MOST_UNUSED:
                return
            await _woken(warden.changed)

    async def _hear(self, message: host.FromHostAgent) -> None:
        match message.WhichOneof("body"):
            case "states":
                await self._states(message.states)
            case "leaf":
                await self._warden.accept(message.leaf)
            case "renewed":
                self._renewed(message.renewed)

    async def _states(self, said: host.ProxyStates) -> None:
        try:
            await self._warden.take(said)
        except IsthmusError as refused:
            LOG.error(line("states_refused", why=refused))  # noqa: TRY400 - the reason is in the line

    def _renewed(self, answer: host.HostCertificate) -> None:
        if self._renewal is None:
            return
        try:
            self._credential = granted(answer, self._renewal.key, clock())
        except IsthmusError as refused:
            LOG.error(line("host_certificate_refused", why=refused))  # noqa: TRY400 - the reason is in the line
            return
        self._credential.save(self._file)
        self._renewal = None
        LOG.info(line("host_renewed", expires=self._credential.certificate.not_valid_after_utc.isoformat()))


async def _woken(event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(TICK_SECONDS):
            await event.wait()
    except TimeoutError:
        return
