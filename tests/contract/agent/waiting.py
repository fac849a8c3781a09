"""waiting: for an agent that comes back and must open its ports before a warden can dial it."""

import socket

from tests.contract.agent.rig import Agent, until


async def serving(agent: Agent) -> None:
    """Until the agent listens for wardens."""
    await until(lambda: _listens(agent.options.wardens_bind), "the agent listens for wardens")


def _listens(address: str) -> bool:
    name, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((name, int(port))) == 0
