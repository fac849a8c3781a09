"""Questions about signatures over a real link, to keys in memory and in the store: who is told what, and how many."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.hub.signatures import DECLINED, WAITING, Questions
from gateway.proto import link_pb2 as link
from isthmus.errors import Exhausted, Unavailable
from isthmus.sigv4 import SKEW, Refused
from isthmus.store.database import Database
from isthmus.values import AgentId
from tests.conftest import ACCOUNT
from tests.contract.hub.conftest import until
from tests.contract.hub.memory_feed import MemoryFeed
from tests.contract.hub.questions import Asking, altered, over_memory, over_store, shown, store_feed
from tests.databases import Copy

UNKNOWN_KEY, WRONG, INCOMPLETE = (
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
)
AWAY = "ServiceUnavailableException"


@pytest.fixture(params=["memory", "store"])
async def line(
    request: pytest.FixtureRequest, database: Database, copy: Copy, org: UUID, other_org: UUID
) -> AsyncIterator[Asking]:
    """An agent's line to a hub over either feed."""
    if request.param == "memory":
        async with over_memory() as (_, asking):
            yield asking
    else:
        async with over_store(database, copy, org, other_org) as asking:
            yield asking


async def test_a_true_signature_is_its_account(line: Asking) -> None:
    assert await line.ask(line.shown()) == (ACCOUNT, "", "")


async def test_keys_that_are_not_the_orgs_own_active_ones_are_answered_alike(line: Asking) -> None:
    """With a true signature or a false one, so that nobody learns which keys others have."""
    answers = set()
    for name in ("inactive", "other org's", "unknown"):
        answers.add(await line.ask(line.shown(name)))
        answers.add(await line.ask(altered(line.shown(name), signature="0" * 64)))
    answers.add(await line.ask(altered(line.shown(), access_key="AKIA'; --\0")))
    assert answers == {("", UNKNOWN_KEY, "The security token included in the request is invalid.")}


@pytest.mark.parametrize(
    ("signed", "changed", "code"),
    [
        ({}, {"signature": "0" * 64}, WRONG),
        ({}, {"signature": ""}, INCOMPLETE),
        ({}, {"signature": "ü" * 64}, INCOMPLETE),
        ({}, {"to_sign": ""}, INCOMPLETE),
        ({"minutes": -6}, {}, WRONG),
        ({"minutes": 6}, {}, WRONG),
        ({"minutes": -6}, {"minutes": 0}, WRONG),
        ({}, {"minutes": -1}, WRONG),
        ({}, {"at": float("nan")}, WRONG),
        ({}, {"at": float("inf")}, WRONG),
        ({"service": "s3"}, {}, WRONG),
        ({"service": "s3"}, {"service": "appmesh"}, WRONG),
        ({}, {"service": "s3"}, WRONG),
        ({}, {"region": "eu-west-2"}, WRONG),
        ({"region": "eu-west-1/appmesh"}, {"region": "eu-west-1"}, WRONG),
        ({"scope": "20260101/eu-west-1/appmesh/aws4_request"}, {}, WRONG),
    ],
    ids=[
        "not the signature",
        "no signature",
        "a signature that is no text",
        "nothing was signed",
        "too old",
        "from the future",
        "too old, and said to be of now",
        "of another minute than was signed",
        "at no time",
        "at no time ever",
        "for another service",
        "for another service, and said to be for ours",
        "said to be for another service",
        "said to be for another region",
        "a scope with a part too many",
        "signed by the key's owner, over another scope than the claim's",
    ],
)
async def test_what_is_not_what_was_signed_is_refused(
    line: Asking, signed: dict[str, Any], changed: dict[str, Any], code: str
) -> None:
    account, refused, _ = await line.ask(altered(line.shown(**signed), **changed))
    assert (account, refused) == ("", code)
    assert (await line.ask(line.shown()))[0] == ACCOUNT, "and the stream goes on"


@pytest.mark.parametrize("field", ["to_sign", "signature", "access_key", "region", "service"])
async def test_no_character_can_be_changed_added_or_dropped(line: Asking, field: str) -> None:
    question = line.shown()
    text = getattr(question, field)
    for at, letter in enumerate(text):
        for other in ("0" if letter != "0" else "1", letter + letter, ""):
            changed = altered(question, **{field: text[:at] + other + text[at + 1 :]})
            account, code, _ = await line.ask(changed)
            assert (account, bool(code)) == ("", True), (at, other)
    assert (await line.ask(altered(question)))[0] == ACCOUNT


@pytest.mark.parametrize(("off", "fresh"), [(-1, True), (1, False)], ids=["just fresh", "just too old"])
async def test_freshness_is_by_the_hubs_clock(database: Database, copy: Copy, off: int, fresh: bool) -> None:  # noqa: FBT001
    question, feed = shown(minutes=60), store_feed(database, copy.url)
    now = datetime.fromtimestamp(question.at, UTC) + SKEW + timedelta(seconds=off)
    with pytest.raises(Refused, match="security token" if fresh else "Signature expired"):
        await feed.signer(AgentId(uuid4(), uuid4(), "a-0"), question, now)


async def test_a_feed_that_is_away_ends_nothing() -> None:
    async with over_memory() as (rig, line):
        rig.feed.away = True
        assert (await line.ask(line.shown()))[:2] == ("", AWAY)
        rig.feed.away = False
        assert (await line.ask(line.shown()))[0] == ACCOUNT


async def test_a_fault_of_ours_is_no_verdict_and_says_nothing() -> None:
    async with over_memory() as (rig, line):
        keys, rig.feed.keys = rig.feed.keys, None  # type: ignore[assignment]
        assert await line.ask(line.shown()) == ("", AWAY, "signatures cannot be checked now")
        rig.feed.keys = keys
        assert (await line.ask(line.shown()))[0] == ACCOUNT


async def test_a_database_that_is_away_is_a_feed_that_is_away() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/nowhere?connect_timeout=1")
    with pytest.raises(Unavailable):
        await store_feed(database, "").signer(AgentId(uuid4(), uuid4(), "a-0"), shown(), datetime.now(UTC))
    database.close()


async def test_a_secret_that_does_not_open_is_no_verdict(
    database: Database, copy: Copy, org: UUID, other_org: UUID
) -> None:
    async with over_store(database, copy, org, other_org) as line:
        with copy.connect() as admin:
            admin.execute("UPDATE access_keys SET sealed_secret = 'x'")
        assert (await line.ask(line.shown()))[:2] == ("", AWAY)


async def test_a_flood_of_questions_holds_up_neither_reports_nor_itself() -> None:
    async with over_memory() as (rig, line):
        rig.feed.checking.clear()
        questions = [line.shown() for _ in range(WAITING + 20)]
        for question in questions:
            await line.agent.say(signature=question)
        await line.agent.say(heartbeat=link.Heartbeat(proxies=7))
        await until(lambda: rig.feed.posts, "the heartbeat is heard")
        declined = [await line.agent.next("signature") for _ in range(18)]
        assert {answer.refused_code for answer in declined} == {AWAY}
        rig.feed.checking.set()
        others = [await line.agent.next("signature") for _ in range(len(questions) - len(declined))]
        assert sum(answer.account == ACCOUNT for answer in others) >= WAITING
        assert sorted(answer.id for answer in [*declined, *others]) == [question.id for question in questions]


async def test_who_reads_no_answers_is_not_our_memory() -> None:
    async def unread(_message: link.FromHub) -> None:
        await asyncio.Event().wait()

    questions = Questions(MemoryFeed(), AgentId(uuid4(), uuid4(), "a-0"), lambda: datetime.now(UTC), unread)
    for _ in range(WAITING + DECLINED):
        questions.put(link.SignatureQuestion())
    with pytest.raises(Exhausted):
        questions.put(link.SignatureQuestion())
