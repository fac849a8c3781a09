"""A hub over a feed in memory, a cluster in it, and an agent of that cluster that has yet to start."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.hub.stream import Timing
from tests.contract.agent.imaging import Customer, Keys
from tests.contract.agent.rig import Agent, Joined, agent_of
from tests.contract.hub.conftest import Rig, running
from tests.contract.hub.memory_feed import MemoryFeed


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that is gone after the test."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """Heartbeats every fifth of a second, because tests wait for them."""
    async with running(MemoryFeed(), Timing(heartbeat=0.2)) as made:
        yield made


@pytest.fixture
def joined(rig: Rig, folder: Path) -> Joined:
    """A cluster `east` that trusts itself, with a mesh offered, and its agent."""
    place = rig.feed.cluster("east", "acme")
    rig.feed.bundle(place, [place])
    made = Joined(rig, place, agent_of(rig, place, folder))
    made.agent.instances.write_text("instances: []\n")
    made.offer()
    return made


@pytest.fixture
def agent(joined: Joined) -> Agent:
    return joined.agent


@pytest.fixture
def customer(tmp_path: Path) -> Customer:
    """A certificate for the port of App Mesh's image."""
    return Customer(tmp_path)


@pytest.fixture
def keys() -> Keys:
    """Who knows whose signatures are."""
    return Keys()
