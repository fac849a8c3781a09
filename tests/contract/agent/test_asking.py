"""An agent's own link, with a real hub: what `Signatures` says of a signature, and what a lost or older hub means."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

import gateway.hub.link
from gateway.agent.ca import Authority
from gateway.agent.cluster import Cluster
from gateway.agent.link import Link
from gateway.agent.membership import Membership
from gateway.agent.running import now
from gateway.agent.signatures import Signatures
from gateway.agent.state import State
from gateway.agent.world import Place
from gateway.proto import link_pb2 as link
from isthmus.errors import Unavailable
from isthmus.pki.link_ca import fingerprint
from isthmus.sigv4 import Claim, Mismatch, Refused, UnknownKey
from isthmus.values import Secret
from tests.conftest import ACCOUNT
from tests.contract.agent.rig import DEADLINE, until
from tests.contract.hub.conftest import Rig
from tests.contract.hub.memory_feed import Key
from tests.contract.hub.questions import OWN, SECRET, UNKNOWN, altered, shown


@asynccontextmanager
async def linked(rig: Rig, folder: Path) -> AsyncIterator[Signatures]:
    """The agent's side of a link, and nothing else of an agent."""
    place = rig.feed.cluster("east", "acme")
    rig.feed.keys[OWN] = Key(place.org, ACCOUNT, SECRET)
    membership, state = Membership(folder / "link.json", now), State(folder)
    pin = fingerprint(rig.ca.certificate)
    await membership.join((rig.enrolment_address,), pin, Secret(rig.feed.token(place)), "a-0")
    cluster = Cluster(state.world(Place("east", place.id)), {})
    signatures = Signatures(now)
    running = Link(membership, cluster, state, Authority(folder / "intermediate.json", "a-0"), now, signatures)
    task = asyncio.create_task(running.run())
    try:
        await until(lambda: rig.feed.posts, "the agent speaks")
        yield signatures
        assert not task.done(), "the link ended by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def account(signatures: Signatures, question: link.SignatureQuestion) -> str:
    """What is said of the signature in a question."""
    at = datetime.fromtimestamp(question.at, UTC)
    claim = Claim(question.access_key, question.region, question.service, at, ("host",), question.signature)
    return await asyncio.wait_for(signatures.account(claim, question.to_sign), DEADLINE)


async def test_the_hubs_verdict_is_the_agents(rig: Rig, folder: Path) -> None:
    async with linked(rig, folder) as signatures:
        assert await account(signatures, shown()) == ACCOUNT
        for question, error in (
            (altered(shown(), signature="0" * 64), Mismatch),
            (shown(UNKNOWN), UnknownKey),
            (shown(minutes=-6), Refused),
        ):
            with pytest.raises(Refused) as refused:
                await account(signatures, question)
            assert refused.type is error


async def test_a_hundred_signatures_at_once_are_all_answered(rig: Rig, folder: Path) -> None:
    async with linked(rig, folder) as signatures:
        questions = [shown(region=f"eu-west-{number}") for number in range(100)]
        assert set(await asyncio.gather(*(account(signatures, q) for q in questions))) == {ACCOUNT}


async def test_without_a_hub_nobody_new_is_let_in(rig: Rig, folder: Path) -> None:
    async with linked(rig, folder) as signatures:
        accepted = shown()
        await account(signatures, accepted)
        rig.feed.checking.clear()
        waiting = asyncio.create_task(account(signatures, shown(region="eu-west-2")))
        await until(lambda: rig.feed.asked, "the question is at the hub")
        await rig.hub.stop(0)
        with pytest.raises(Unavailable):
            await waiting
        assert await account(signatures, accepted) == ACCOUNT
        with pytest.raises(Unavailable):
            await account(signatures, shown(region="eu-west-2"))


async def test_an_older_hub_is_not_asked(rig: Rig, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.hub.link, "FEATURES", ("withdraw",))
    async with linked(rig, folder) as signatures:
        with pytest.raises(Unavailable, match="older than this agent"):
            await account(signatures, shown())
        assert not rig.feed.asked


async def test_who_gives_up_ends_neither_the_question_nor_the_link(rig: Rig, folder: Path) -> None:
    async with linked(rig, folder) as signatures:
        rig.feed.checking.clear()
        asking = asyncio.create_task(account(signatures, shown()))
        await until(lambda: rig.feed.asked, "the question is at the hub")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        rig.feed.checking.set()
        assert await account(signatures, shown(region="eu-west-2")) == ACCOUNT
        assert {member.epoch for member in rig.feed.members.values()} == {1}
