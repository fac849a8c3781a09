"""sidecar: a real warden and a real Envoy under it, beside an agent of the rig: what an application calls through."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway.agent.running import host_token
from gateway.envoy.bootstrap import bootstrap
from gateway.warden.credential import join
from gateway.warden.link import Link
from gateway.warden.warden import Warden
from tests.contract.agent.rig import Agent, until
from tests.contract.envoy.feeding import Running


@asynccontextmanager
async def sidecar(agent: Agent, home: Path, name: str = "front") -> AsyncIterator[Running]:
    """The Envoy of an instance of host h1, while the block lasts; what it said, if that fails."""
    await until((agent.folder / "wardens.json").exists, "the agent lets wardens in")
    warden = Warden(home / "data", home / "sockets")
    await warden.begin()
    made = host_token(agent.folder, "h1")
    credential = await join(made.agent, made.agent_ca, made.token, datetime.now(UTC))
    linked = asyncio.create_task(Link(warden, credential, home / "host.json").run())
    socket = home / "sockets" / name / "xds.sock"
    await until(socket.is_socket, "the warden knows the proxy")
    envoy = Running(lambda admin: _of_tests(dict(bootstrap(name, socket, "127.0.0.1:0", home / "sds.sock")), admin))
    try:
        yield envoy
    except BaseException as failed:
        failed.add_note(envoy.log.read_text())
        raise
    finally:
        await asyncio.to_thread(envoy.stop)
        linked.cancel()
        await asyncio.gather(linked, return_exceptions=True)
        await warden.end()


def _of_tests(made: dict[str, object], admin: Path) -> dict[str, object]:
    """The product's bootstrap, but its admin interface is where the rig looks for it."""
    return json.loads(json.dumps(made)) | {"admin": {"address": {"pipe": {"path": str(admin)}}}}  # type: ignore[no-any-return]
