"""How a replica comes to the link, stays there, and is kept apart from its siblings."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.agent import enrol
from gateway.agent.credential import Credential
from gateway.agent.presented import pinned_ca
from gateway.agent.running import serve
from isthmus.errors import Conflict, Denied, Invalid, Unavailable
from isthmus.pki import link_ca
from isthmus.pki.chain import Untrusted
from isthmus.values import AgentId, Secret
from tests.contract.agent.rig import DEADLINE, Joined, agent_of, free_port, instance, shown, until
from tests.contract.agent.waiting import serving

FRONT = instance("front")


async def begun(joined: Joined, **changed: object) -> None:
    """Start the agent, which must end by itself."""
    async with asyncio.timeout(DEADLINE):
        await serve(replace(joined.agent.options, **changed), asyncio.Event())  # type: ignore[arg-type]


async def test_a_hub_whose_chain_lacks_the_pinned_ca_is_refused_and_no_token_is_spent(joined: Joined) -> None:
    with pytest.raises(Untrusted, match="pinned"):
        await begun(joined, hub_ca=f"sha256:{'0' * 64}")
    assert not joined.rig.feed.members
    assert not any(token.used for token in joined.rig.feed.tokens.values())
    assert not (joined.agent.folder / "link.json").exists()


async def test_a_pinned_leaf_is_no_ca(joined: Joined) -> None:
    """Whoever pins the hub's own certificate by mistake must learn of it, and not join on it."""
    leaf = (await asyncio.to_thread(shown, joined.rig.enrolment_address))[0]
    with pytest.raises(Untrusted):
        await asyncio.to_thread(pinned_ca, joined.rig.enrolment_address, link_ca.fingerprint(leaf), datetime.now(UTC))


async def test_a_forged_token_ends_the_agent_with_the_reason(joined: Joined) -> None:
    with pytest.raises(Denied, match="unknown, used or expired"):
        await begun(joined, token=Secret("forged"))


async def test_a_new_agent_needs_its_token_and_says_so(joined: Joined) -> None:
    with pytest.raises(Invalid, match="--join-token"):
        await begun(joined, token=None)


async def test_after_joining_no_token_is_needed(joined: Joined) -> None:
    async with joined.agent.run():
        await until(lambda: joined.said("heartbeat"), "it speaks")
    count = len(joined.said("heartbeat"))
    async with joined.agent.run(token=None, hubs=(), hub_ca=""):
        await until(lambda: len(joined.said("heartbeat")) > count, "it speaks again")
    assert len(joined.rig.feed.members) == 1


async def test_a_second_agent_on_the_same_folder_is_refused(joined: Joined) -> None:
    async with joined.agent.run():
        await until(lambda: joined.said("heartbeat"), "the first runs")
        with pytest.raises(Conflict, match="another process"):
            await begun(joined)


async def test_two_replicas_of_a_cluster_have_names_keys_and_intermediates_of_their_own(
    joined: Joined, tmp_path: Path
) -> None:
    joined.agent.list(FRONT)
    other = agent_of(joined.rig, joined.place, tmp_path / "second", replica="a-1", instances=joined.agent.instances)
    async with joined.agent.run(replica="a-0"), other.run():
        for agent in (joined.agent, other):
            warden = await agent.enrol()
            async with warden.stream() as stream:
                state = await stream.proxy("front")
                assert not (await stream.leaf("front")).refused
                assert state.identity.endswith("/mesh/shop/node/front")
    assert {member.replica for member in joined.rig.feed.members} == {"a-0", "a-1"}


async def test_a_warden_of_one_replica_is_let_in_by_the_other(joined: Joined, tmp_path: Path) -> None:
    joined.agent.list(FRONT)
    other = agent_of(joined.rig, joined.place, tmp_path / "second", replica="a-1", instances=joined.agent.instances)
    async with joined.agent.run(), other.run():
        warden = await joined.agent.enrol()
        await other.enrol("h2")
        warden.certificate.agents[0] = other.options.wardens_bind
        async with warden.stream() as stream:
            await stream.proxy("front")


async def test_a_replicas_folder_is_no_other_replicas(joined: Joined) -> None:
    async with joined.agent.run(replica="a-0"):
        await until(lambda: joined.said("heartbeat"), "it speaks")
    with pytest.raises(Conflict, match="a-0"):
        await begun(joined, replica="a-1")


async def held(joined: Joined) -> Credential:
    """A credential that has just been issued."""
    options = joined.agent.options
    assert options.token
    return await enrol.join(options.hubs[0], options.hub_ca, options.token, "a-0", datetime.now(UTC))


def aged(joined: Joined, credential: Credential, days: float) -> Credential:
    """The same replica and key, certified so long ago."""
    then = datetime.now(UTC) - timedelta(days=days)
    made = link_ca.agent(joined.rig.ca, credential.agent, credential.key.public_key(), serial=7, now=then)
    return replace(credential, certificate=made)


async def test_an_agent_whose_answer_was_lost_asks_again_and_is_answered(joined: Joined) -> None:
    begun_ = enrol.begin_renewal(await held(joined))
    await enrol.renew(begun_, joined.rig.enrolment_address, datetime.now(UTC))
    again = await enrol.renew(enrol.begin_renewal(begun_), joined.rig.enrolment_address, datetime.now(UTC))
    assert again.agent == begun_.agent
    assert begun_.next_key is not None
    assert again.key.public_key() == begun_.next_key.public_key()


async def test_an_outage_of_days_strands_nobody(joined: Joined) -> None:
    """The certificate ended while everything was away; on the way back it is renewed by proof of its key."""
    old = aged(joined, await held(joined), 20)
    assert old.certificate.not_valid_after_utc < datetime.now(UTC) - timedelta(days=18)
    old.save(joined.agent.folder / "link.json")
    async with joined.agent.run(token=None):
        await until(lambda: joined.said("heartbeat"), "it speaks again")
    renewed = Credential.load(joined.agent.folder / "link.json")
    assert renewed is not None
    assert renewed.certificate.not_valid_after_utc > datetime.now(UTC)


async def test_an_evicted_replica_is_refused_and_serves_its_wardens_on(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run(replica="a-0"):
        warden = await joined.agent.enrol()
    joined.rig.feed.evict(AgentId(joined.place.org, joined.place.id, "a-0"))
    before = len(joined.rig.feed.posts)
    async with joined.agent.run():
        await serving(joined.agent)
        async with warden.stream() as stream:
            await stream.proxy("front")
            assert not (await stream.leaf("front")).refused
    assert len(joined.rig.feed.posts) == before


async def test_a_hub_that_is_away_is_waited_for(joined: Joined) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable):
        await asyncio.to_thread(pinned_ca, nobody, joined.agent.options.hub_ca, datetime.now(UTC))
    async with joined.agent.run(hubs=(nobody, joined.rig.enrolment_address)):
        await until(lambda: joined.said("heartbeat"), "the second hub is asked")
