"""What an agent remembers of signatures: one question for equal ones, nothing let in by itself, and all of it bounded.

The hub is played by hand over the agent's real questions; time passes only when a test says so.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.agent.signatures import ACCEPTED_FOR, LIMIT, UNKNOWN_FOR, Remembered, Signatures
from gateway.proto import link_pb2 as link
from isthmus.errors import IsthmusError, Unavailable
from isthmus.sigv4 import SKEW, Claim, Incomplete, Mismatch, Refused, UnknownKey

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
CLAIM = Claim("AKIAABCDEFGHIJKLMNOP", "eu-west-1", "appmesh", AT, ("host",), "ab" * 32)
TO_SIGN = "what was signed"
MOMENT = timedelta(milliseconds=1)
UNKNOWN = link.SignatureAnswer(refused_code="UnrecognizedClientException", refused="no such key")
MISMATCH = link.SignatureAnswer(refused_code="InvalidSignatureException", refused=str(Mismatch()))


class Hub:
    """Answers every question with `verdict`, unless that is None."""

    def __init__(self, **told: float) -> None:
        self.now = AT
        self.signatures = Signatures(lambda: self.now, **told)  # type: ignore[arg-type]
        self.asked: list[link.SignatureQuestion] = []
        self.verdict: link.SignatureAnswer | None = link.SignatureAnswer(account="1")
        self.heard = asyncio.Event()

    @asynccontextmanager
    async def linked(self, *features: str) -> AsyncIterator["Hub"]:
        """While the block lasts there is a link to it."""
        with self.signatures.questions.open(features or ("signatures",)):
            task = asyncio.create_task(self._answer())
            try:
                yield self
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _answer(self) -> None:
        while True:
            question = await self.signatures.questions.next()
            self.asked.append(question)
            self.heard.set()
            if self.verdict:
                answer = link.SignatureAnswer(id=question.id)
                answer.MergeFrom(self.verdict)
                self.signatures.questions.answered(answer)

    async def ask(self, claim: Claim = CLAIM, to_sign: str = TO_SIGN) -> str | type[IsthmusError]:
        """The account, or the kind of error."""
        try:
            return await self.signatures.account(claim, to_sign)
        except IsthmusError as refused:
            return type(refused)


async def test_the_hub_is_asked_what_is_claimed() -> None:
    async with Hub().linked() as hub:
        assert await hub.ask() == "1"
        assert hub.asked == [
            link.SignatureQuestion(
                id=1,
                access_key=CLAIM.key,
                region="eu-west-1",
                service="appmesh",
                at=AT.timestamp(),
                to_sign=TO_SIGN,
                signature=CLAIM.signature,
            )
        ]


@pytest.mark.parametrize(
    ("code", "why", "error"),
    [
        ("UnrecognizedClientException", "no such key", UnknownKey),
        ("InvalidSignatureException", str(Mismatch()), Mismatch),
        ("InvalidSignatureException", "Signature expired", Refused),
        ("IncompleteSignatureException", "no signature", Incomplete),
        ("ServiceUnavailableException", "too many", Unavailable),
        ("SomethingNewerException", "?", Refused),
    ],
)
@pytest.mark.parametrize("account", ["", "1"], ids=["no account", "and yet an account"])
async def test_a_refusal_is_raised_by_its_code(code: str, why: str, error: type[IsthmusError], account: str) -> None:
    async with Hub().linked() as hub:
        hub.verdict = link.SignatureAnswer(account=account, refused_code=code, refused=why)
        assert [await hub.ask(), await hub.ask()] == [error, error]


@pytest.mark.parametrize(
    ("first", "end"),
    [(AT, AT + ACCEPTED_FOR), (AT + SKEW - MOMENT, AT + SKEW)],
    ids=["for a minute", "and never when it is too old"],
)
async def test_an_accepted_signature_is_asked_for_once(first: datetime, end: datetime) -> None:
    async with Hub().linked() as hub:
        hub.now = first
        assert [await hub.ask() for _ in range(3)] == ["1", "1", "1"]
        hub.now = end - MOMENT
        assert await hub.ask() == "1"
        assert len(hub.asked) == 1
        hub.now, hub.verdict = end, link.SignatureAnswer(refused_code=UnknownKey.code, refused="no such key")
        assert await hub.ask() is UnknownKey
        assert len(hub.asked) == 2


@pytest.mark.parametrize(
    ("claim", "to_sign"),
    [
        (replace(CLAIM, key="AKIAABCDEFGHIJKLMNOQ"), TO_SIGN),
        (replace(CLAIM, region="eu-west-2"), TO_SIGN),
        (replace(CLAIM, service="appmesi"), TO_SIGN),
        (replace(CLAIM, at=AT + timedelta(seconds=1)), TO_SIGN),
        (replace(CLAIM, signature="ab" * 31 + "ac"), TO_SIGN),
        (CLAIM, TO_SIGN + " "),
        (replace(CLAIM, signature=CLAIM.signature + TO_SIGN[0]), TO_SIGN[1:]),
    ],
    ids=["key", "region", "service", "time", "signature", "what was signed", "a character that moved"],
)
async def test_whatever_differs_is_another_question(claim: Claim, to_sign: str) -> None:
    async with Hub().linked() as hub:
        assert await hub.ask() == "1"
        hub.verdict = MISMATCH
        assert await hub.ask(claim, to_sign) is Mismatch
        assert await hub.ask() == "1"
        assert len(hub.asked) == 2


async def test_a_burst_of_equal_signatures_is_one_question() -> None:
    async with Hub().linked() as hub:
        assert await asyncio.gather(*(hub.ask() for _ in range(500))) == ["1"] * 500
        assert len(hub.asked) == 1


async def test_who_gives_up_does_not_end_the_question_of_others() -> None:
    async with Hub().linked() as hub:
        hub.verdict = None
        first, second = asyncio.create_task(hub.ask()), asyncio.create_task(hub.ask())
        await hub.heard.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        hub.signatures.questions.answered(link.SignatureAnswer(id=1, account="1"))
        assert await second == "1"


async def test_an_unknown_key_is_refused_for_seconds_without_a_question() -> None:
    async with Hub().linked() as hub:
        hub.verdict = UNKNOWN
        assert await hub.ask() is UnknownKey
        hub.now, hub.verdict = AT + UNKNOWN_FOR - MOMENT, link.SignatureAnswer(account="1")
        assert await hub.ask(replace(CLAIM, signature="cd" * 32)) is UnknownKey
        assert await hub.ask(replace(CLAIM, key="AKIAABCDEFGHIJKLMNOQ")) == "1"
        hub.now = AT + UNKNOWN_FOR
        assert await hub.ask() == "1"
        assert len(hub.asked) == 3


@pytest.mark.parametrize(
    "verdict",
    [MISMATCH, link.SignatureAnswer(refused_code="ServiceUnavailableException"), link.SignatureAnswer()],
    ids=["mismatch", "later", "neither account nor refusal"],
)
async def test_no_other_refusal_is_remembered(verdict: link.SignatureAnswer) -> None:
    """A wrong signature must not lock the key's owner out, and no verdict is none."""
    async with Hub().linked() as hub:
        hub.verdict = verdict
        assert isinstance(await hub.ask(), type)
        hub.verdict = link.SignatureAnswer(account="1")
        assert await hub.ask() == "1"


async def test_without_a_link_only_what_the_hub_has_accepted_passes() -> None:
    hub = Hub()
    assert await hub.ask() is Unavailable
    async with hub.linked():
        assert await hub.ask() == "1"
    assert await hub.ask() == "1"
    assert await hub.ask(to_sign="another") is Unavailable
    async with hub.linked():
        assert await hub.ask(to_sign="another") == "1"


async def test_an_older_hub_is_not_asked() -> None:
    async with Hub().linked("withdraw") as hub:
        with pytest.raises(Unavailable, match="older than this agent"):
            await hub.signatures.account(CLAIM, TO_SIGN)
        assert not hub.asked


async def test_a_link_that_ends_answers_at_once_who_waits() -> None:
    hub = Hub()
    async with hub.linked():
        hub.verdict = None
        asking = asyncio.create_task(hub.ask())
        await hub.heard.wait()
    assert await asking is Unavailable


async def test_an_answer_that_comes_too_late_lets_nobody_in() -> None:
    async with Hub(patience=0.05).linked() as hub:
        hub.verdict = None
        assert await hub.ask() is Unavailable
        hub.signatures.questions.answered(link.SignatureAnswer(id=1, account="1"))
        assert await hub.ask() is Unavailable
        assert [q.id for q in hub.asked] == [1, 2]


async def test_more_questions_than_a_hub_lets_wait_take_turns() -> None:
    async with Hub().linked() as hub:
        hub.verdict = None
        asking = [asyncio.create_task(hub.ask(to_sign=str(n))) for n in range(1_001)]
        assert (await _first(asking)) is Unavailable
        assert len(hub.asked) <= 32
        hub.verdict = link.SignatureAnswer(account="1")
        for question in tuple(hub.asked):
            hub.signatures.questions.answered(link.SignatureAnswer(id=question.id, account="1"))
        assert sorted(map(str, await asyncio.gather(*asking))) == ["1"] * 1_000 + [str(Unavailable)]


async def _first(asking: list[asyncio.Task[str | type[IsthmusError]]]) -> str | type[IsthmusError]:
    done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    return done.pop().result()


@pytest.mark.parametrize("verdict", [link.SignatureAnswer(account="1"), UNKNOWN], ids=["accepted", "unknown keys"])
async def test_the_oldest_verdicts_give_way(verdict: link.SignatureAnswer) -> None:
    def of(number: int) -> Claim:
        return replace(CLAIM, key=f"AKIAABCDEFGHIJKLMNO{number}")

    async with Hub(limit=3).linked() as hub:
        hub.verdict = verdict
        for number in range(4):
            await hub.ask(of(number))
        for number in (1, 2, 3):
            await hub.ask(of(number))
        assert len(hub.asked) == 4
        await hub.ask(of(0))
        assert len(hub.asked) == 5


def test_what_is_remembered_is_bounded() -> None:
    held: Remembered[int] = Remembered(LIMIT)
    for number in range(LIMIT + 5):
        held.put(str(number).encode(), number, AT)
    assert len(held) == LIMIT
