"""The resolver beside a cluster, with a source that answers when it is told to."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway.agent.cluster import Cluster
from gateway.agent.discovery import Found, kept
from gateway.agent.discovery.answers import Answer
from gateway.agent.resolver import AT_ONCE, Resolver
from gateway.proto import link_pb2 as link
from isthmus.ir.found import Dns
from isthmus.xds.resolved import Address
from tests import build
from tests.contract.agent.rig import until
from tests.unit.agent.given import FRONT, MESH, instance, mesh, world

MANY = [f"n{i}" for i in range(3 * AT_ONCE)]
FOUND = Answer((Address("192.0.2.1"),), 60.0)


class Told:
    """A source that is asked, and answers once it is told to."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.now = self.most = 0
        self.may = asyncio.Event()

    async def ask(self, question: Dns, _kept: Sequence[Address]) -> Answer:
        self.asked[question.hostname] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.may.wait()
        finally:
            self.now -= 1
        return FOUND


@pytest.fixture
def cluster() -> Cluster:
    """East, where `front` calls very many nodes that nobody has bound."""
    nodes = [build.node(name, serviceDiscovery={"dns": {"hostname": f"{name}.example"}}) for name in MANY]
    calling = build.node("front", backends=[f"{name}.local" for name in MANY])
    services = [build.service(f"{name}.local", node=name) for name in MANY]
    bindings = [build.binding(name) for name in MANY]
    many = mesh(build.mesh(calling, *nodes, *services, *bindings))
    return Cluster(world(FRONT, meshes={MESH: many}, imports={MESH: link.Imports()}), {})


@pytest.fixture
async def source(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Told]:
    """While the resolver runs."""
    made = Told()
    resolver = Resolver(cluster, {Dns: made}, tmp_path / "resolved.json")
    tasks = [asyncio.create_task(run) for run in (cluster.run(), resolver.run())]
    yield made
    for task in tasks:
        assert not task.done(), "it ended by itself"
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_few_questions_at_a_time_and_each_in_its_turn(cluster: Cluster, source: Told) -> None:
    await until(lambda: source.now == AT_ONCE, "as many as may be")
    source.may.set()
    await until(lambda: len(cluster.world.resolved) == len(MANY), "all are answered")
    assert source.most == AT_ONCE
    assert set(source.asked.values()) == {1}, "a minute is a minute"


async def test_a_question_that_is_no_longer_asked_is_given_up_and_comes_again(cluster: Cluster, source: Told) -> None:
    await until(lambda: source.now == AT_ONCE, "as many as may be")
    cluster.found(Found((FRONT, *(instance(name, {}) for name in MANY))))
    await until(lambda: source.now == 0, "nobody waits for what is bound")
    cluster.found(Found((FRONT,)))
    source.may.set()
    await until(lambda: len(cluster.world.resolved) == len(MANY), "all are answered")


async def test_what_nothing_refers_to_any_more_is_forgotten_and_what_is_only_bound_is_not(
    cluster: Cluster, source: Told
) -> None:
    source.may.set()
    await until(lambda: len(cluster.world.resolved) == len(MANY), "all are answered")
    cluster.found(Found((FRONT, *(instance(name, {}) for name in MANY))))
    await until(lambda: not cluster.settled.composition.names.asked, "all are bound")
    assert len(cluster.world.resolved) == len(MANY)
    cluster.withdrawn(MESH)
    await until(lambda: not cluster.world.resolved, "the mesh is gone")


async def test_what_is_known_is_kept_at_the_latest_when_it_ends(cluster: Cluster, tmp_path: Path) -> None:
    made = Told()
    made.may.set()
    resolver = Resolver(cluster, {Dns: made}, tmp_path / "resolved.json")
    tasks = [asyncio.create_task(run) for run in (cluster.run(), resolver.run())]
    await until(lambda: len(cluster.world.resolved) == len(MANY), "all are answered")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    again = kept.read(tmp_path / "resolved.json")
    assert len(again) == len(MANY)
    assert {known.sight.addresses for known in again.values()} == {FOUND.addresses}
