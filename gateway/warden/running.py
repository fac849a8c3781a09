"""running: the warden's process: serve what was kept at once, enrol if need be, then stay linked until SIGTERM."""

import asyncio
import logging
import signal
from dataclasses import dataclass
from pathlib import Path

from gateway.edge import backoff, disk
from gateway.edge.lines import line
from gateway.warden.credential import HostCredential, join
from gateway.warden.link import Link
from gateway.warden.warden import Warden, clock
from isthmus.errors import Denied, Invalid, IsthmusError
from isthmus.values import Secret

LOG = logging.getLogger("isthmus.warden")


@dataclass(frozen=True, slots=True)
class Options:
    """The command's. `agents`: enrolment addresses, for the first start; `sockets`: where the proxies find us."""

    agents: tuple[str, ...]
    agent_ca: str
    token: Secret | None
    data_dir: Path
    sockets: Path


def run(options: Options) -> None:
    """Until SIGTERM or SIGINT. Conflict if another warden runs on the data directory; Denied if it is not let in."""
    with disk.locked(options.data_dir):
        asyncio.run(_until_told(options))


async def _until_told(options: Options) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    warden = Warden(options.data_dir, options.sockets)
    await warden.begin()
    LOG.info(line("warden", proxies=len(warden.proxies), sockets=options.sockets))
    work = asyncio.create_task(_linked(warden, options))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    work.cancel()
    ended = await asyncio.gather(work, return_exceptions=True)
    await warden.end()
    LOG.info(line("warden_stopped"))
    if isinstance(ended[0], Exception):
        raise ended[0]


async def _linked(warden: Warden, options: Options) -> None:
    file = options.data_dir / "host.json"
    credential = HostCredential.load(file)
    if credential is None:
        credential = await _joined(options)
        credential.save(file)
        LOG.info(line("host_joined", host=credential.host, agents=",".join(credential.agents)))
    await Link(warden, credential, file).run()


async def _joined(options: Options) -> HostCredential:
    """Try every agent until one lets us in; a refusal ends it, because a token is good for one use."""
    if options.token is None or not options.agents or not options.agent_ca:
        raise Invalid.one("/host_token", "missing", "the first start needs --agent, --agent-ca and --host-token")
    failures = 0
    while True:
        for agent in options.agents:
            try:
                return await join(agent, options.agent_ca, options.token, clock())
            except Denied:
                raise
            except IsthmusError as away:
                failures += 1
                LOG.warning(line("agent_away", agent=agent, why=away))
                await asyncio.sleep(backoff.seconds(failures, backoff.spread()))
