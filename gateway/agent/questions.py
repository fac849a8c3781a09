"""questions: what this replica asks the hub whose stream is open, and waits for.

A question belongs to one stream: when that ends, whoever waits is told at once, because the next hub has not heard it.
There is always an answer, and one with the code `AWAY` is no verdict: everybody who shares it decides for themselves.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import count

from gateway.proto import link_pb2 as link
from isthmus.sigv4 import Claim

SIGNATURES = "signatures"
"""The feature of hubs that answer."""
AWAY = "ServiceUnavailableException"
_NO_LINK = "there is no link to a hub"
_OLDER_HUB = "the hub is older than this agent, and checks no signatures"
_LINK_LOST = "the link was lost before the hub answered"


class Questions:
    """The unanswered questions, and those that are not even sent. Ids are never used twice in an agent's life."""

    def __init__(self) -> None:
        self._shut = _NO_LINK
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[link.SignatureAnswer]] = {}
        self._unsent: asyncio.Queue[link.SignatureQuestion] = asyncio.Queue()

    @contextmanager
    def open(self, features: Collection[str]) -> Iterator[None]:
        """While the block lasts, questions go to a hub with these features."""
        self._unsent = asyncio.Queue()
        self._shut = "" if SIGNATURES in features else _OLDER_HUB
        try:
            yield
        finally:
            self._shut = _NO_LINK
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_result(away(_LINK_LOST))

    async def ask(self, claim: Claim, to_sign: str) -> link.SignatureAnswer:
        """The hub's answer; who cancels this has simply stopped waiting."""
        if self._shut:
            return away(self._shut)
        number = next(self._ids)
        answer: asyncio.Future[link.SignatureAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._unsent.put_nowait(_question(number, claim, to_sign))
        try:
            return await answer
        finally:
            del self._waiting[number]

    async def next(self) -> link.SignatureQuestion:
        """The next question that somebody still waits for."""
        while (question := await self._unsent.get()).id not in self._waiting:
            pass
        return question

    def answered(self, answer: link.SignatureAnswer) -> None:
        """Hand an answer to who waits for it; if nobody does, it is forgotten."""
        waiting = self._waiting.get(answer.id)
        if waiting and not waiting.done():
            waiting.set_result(answer)


def away(why: str) -> link.SignatureAnswer:
    """No verdict."""
    return link.SignatureAnswer(refused_code=AWAY, refused=why)


def _question(number: int, claim: Claim, to_sign: str) -> link.SignatureQuestion:
    return link.SignatureQuestion(
        id=number,
        access_key=claim.key,
        region=claim.region,
        service=claim.service,
        at=claim.at.timestamp(),
        to_sign=to_sign,
        signature=claim.signature,
    )
