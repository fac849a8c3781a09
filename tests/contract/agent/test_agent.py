"""An agent between a real hub and a warden that speaks host.proto: what it lets in, serves, keeps and tells."""

import socket
from pathlib import Path

import grpc
import pytest

from gateway.agent.running import host_token
from gateway.proto import link_pb2 as link
from isthmus.errors import IsthmusError
from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.agent.rig import Agent, Joined, instance, until
from tests.contract.agent.rig import join as join_host

FRONT = instance("front", ports={8080: 15006})
BLUE = instance("blue", ports={8080: 15007})
ELSEWHERE = instance("blue", "h2", ports={8080: 15007})
STRANGER = instance("stranger", ports={8080: 15008})


async def test_a_proxy_of_the_host_is_served_whole_and_its_acks_are_counted(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            state = await stream.proxy("front")
            assert "node/blue/8080" in stream.names("front", Type.CLUSTER)
            assert state.identity.endswith("/mesh/shop/node/front")
            await stream.ack(state)
            acks = await until(lambda: (a := joined.acks("node/front@1.40")) and a.acked == 1 and a, "acked")
            assert (acks.connected, list(acks.stragglers)) == (1, [])


async def test_only_bound_instances_of_the_host_are_served(joined: Joined) -> None:
    joined.agent.list(FRONT, ELSEWHERE, STRANGER)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            assert set(stream.proxies) == {"front"}


async def test_a_leaf_is_for_a_bound_proxy_of_that_host_alone(joined: Joined) -> None:
    joined.agent.list(FRONT, ELSEWHERE, STRANGER)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            assert not (await stream.leaf("front")).refused
            for other in ("blue", "stranger", "nobody", "../front"):
                assert (await stream.leaf(other)).refused, other


async def test_a_host_token_is_good_once_and_for_its_host(joined: Joined) -> None:
    async with joined.agent.run():
        await joined.agent.enrol()
        made = host_token(joined.agent.folder, "h1")
        await join_host(made.agent, made.agent_ca, made.token)
        with pytest.raises((grpc.aio.AioRpcError, IsthmusError)):
            await join_host(made.agent, made.agent_ca, made.token)
        with pytest.raises((grpc.aio.AioRpcError, IsthmusError)):
            await join_host(made.agent, made.agent_ca, "ist_host_forged")


async def test_a_restarted_agent_serves_its_wardens_without_a_hub(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            before = await stream.proxy("front")
    await joined.rig.hub.stop(0)
    async with joined.agent.run():
        await until(lambda: _listens(joined.agent.options.wardens_bind), "wardens are welcome again")
        async with warden.stream() as stream:
            after = await stream.proxy("front")
            assert after.definition == before.definition
            assert not (await stream.leaf("front")).refused


async def test_a_changed_instances_file_reaches_the_warden(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            joined.agent.list(FRONT, BLUE)
            await stream.proxy("blue")


async def test_a_broken_instances_file_keeps_what_it_said_last(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            _write(joined.agent, "instances: [{name: front")
            joined.offer(build.mesh(targets={"green": 100}), revision=2)
            await until(lambda: "node/green/8080" in stream.names("front", Type.CLUSTER), "the next revision is served")
            assert set(stream.proxies) == {"front"}


async def test_a_changed_definition_reaches_the_warden_as_another_version(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            first = (await stream.proxy("front")).definition
            joined.offer(build.mesh(targets={"blue": 10, "green": 90}), revision=2)
            await until(lambda: stream.proxies["front"].definition != first, "another definition")


async def test_an_offer_whose_body_was_altered_is_refused_and_the_old_one_stays(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            before = (await stream.proxy("front")).definition
            bodies = joined.rig.feed.contents[joined.place.org]
            kept = dict(bodies)
            offer = joined.offer(build.mesh(targets={"green": 100}), revision=2)
            fresh = bodies.keys() - kept.keys()
            for version in fresh:
                bodies[version] = link.Body(version=version, type="rds", name="outbound", body=b"altered")

            await until(lambda: joined.said("refusal"), "it is refused")
            assert joined.said("refusal")[-1].position.version == offer.position.version
            assert stream.proxies["front"].definition == before


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


def _write(agent: Agent, text: str) -> None:
    beside = Path(f"{agent.instances}.new")
    beside.write_text(text)
    beside.rename(agent.instances)
