"""signatures: whose access key signed what a proxy shows, by the hub's word and by nothing else.

An agent holds no secrets, so it asks, and remembers: a fleet that reconnects with signatures already seen costs
nothing, a burst of equal ones a single question. A signature that was accepted stands for a minute, so that is how long
a key that is switched off goes on; that a key is unknown stands for seconds, because it may be about to be made.
Without a hub that answers nobody new is let in (running proxies keep their streams).
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Generic, TypeVar

from gateway.agent.questions import AWAY, Questions, away
from gateway.proto import link_pb2 as link
from isthmus.errors import Unavailable
from isthmus.sigv4 import SKEW, Claim, Incomplete, Mismatch, Refused, UnknownKey

ACCEPTED_FOR = timedelta(seconds=60)
UNKNOWN_FOR = timedelta(seconds=5)
LIMIT = 10_000
"""Verdicts of each kind that are remembered; the oldest give way."""
PATIENCE = 5.0
"""Seconds for an answer."""
_AT_ONCE = 32
"""Questions that a hub is sent at a time: it lets 64 of a stream wait, and refuses more (gateway/hub/signatures.py)."""
_UNDER_WAY = 1_000
"""Different questions waiting for their turn or their answer: more than these nobody answers within `PATIENCE`."""

_KINDS: Mapping[str, type[Refused]] = {kind.code: kind for kind in (UnknownKey, Incomplete)}

T = TypeVar("T")


class Remembered(Generic[T]):
    """At most `limit` values, each until its time; the oldest give way."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[bytes, tuple[T, datetime]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: bytes, now: datetime) -> T | None:
        """The value, if its time is not over."""
        value, until = self._held.get(key, (None, now))
        return value if now < until else None

    def put(self, key: bytes, value: T, until: datetime) -> None:
        """As the newest."""
        self._held.pop(key, None)
        self._held[key] = value, until
        if len(self._held) > self._limit:
            del self._held[next(iter(self._held))]


class Signatures:
    """What the hub has said about signatures, and asking it. `patience` in seconds."""

    def __init__(self, clock: Callable[[], datetime], *, limit: int = LIMIT, patience: float = PATIENCE) -> None:
        self.questions = Questions()
        self._clock, self._patience = clock, patience
        self._accepted = Remembered[str](limit)
        self._unknown = Remembered[str](limit)
        self._asking: dict[bytes, asyncio.Task[link.SignatureAnswer]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def account(self, claim: Claim, to_sign: str) -> str:
        """The account whose key signed `to_sign`.

        `isthmus.sigv4.UnknownKey`, `Mismatch` or another `Refused` if the hub refuses it; Unavailable if no hub says
        either, which is to be answered like a refusal and may be tried again.
        """
        digest, now = _digest(claim, to_sign), self._clock()
        if why := self._unknown.get(claim.key.encode(), now):
            raise UnknownKey(why)
        if account := self._accepted.get(digest, now):
            return account
        return _verdict(await asyncio.shield(self._question(digest, claim, to_sign)))

    def _question(self, digest: bytes, claim: Claim, to_sign: str) -> asyncio.Task[link.SignatureAnswer]:
        """The question under way, shared by all who ask the same; one of them that gives up does not end it."""
        if digest not in self._asking:
            if len(self._asking) >= _UNDER_WAY:
                raise Unavailable(f"more than {_UNDER_WAY} signatures are being checked")
            self._asking[digest] = asyncio.create_task(self._ask(digest, claim, to_sign))
        return self._asking[digest]

    async def _ask(self, digest: bytes, claim: Claim, to_sign: str) -> link.SignatureAnswer:
        try:
            async with asyncio.timeout(self._patience), self._turns:
                answer = await self.questions.ask(claim, to_sign)
        except TimeoutError:
            return away(f"no hub answered within {self._patience} s")
        finally:
            del self._asking[digest]
        self._remember(digest, claim, answer)
        return answer

    def _remember(self, digest: bytes, claim: Claim, answer: link.SignatureAnswer) -> None:
        if answer.refused_code == UnknownKey.code:
            self._unknown.put(claim.key.encode(), answer.refused or UnknownKey.code, self._clock() + UNKNOWN_FOR)
        elif answer.account and not answer.refused_code:
            self._accepted.put(digest, answer.account, min(claim.at + SKEW, self._clock() + ACCEPTED_FOR))


def _verdict(answer: link.SignatureAnswer) -> str:
    """The account, which is the only way in: an answer that we do not understand is a refusal."""
    if answer.account and not answer.refused_code:
        return answer.account
    if answer.refused_code in {"", AWAY}:
        raise Unavailable(answer.refused or "the hub gave no verdict")
    if answer.refused == str(Mismatch()):
        raise Mismatch
    raise _KINDS.get(answer.refused_code, Refused)(answer.refused)


def _digest(claim: Claim, to_sign: str) -> bytes:
    """Of everything that a verdict depends on; each part by its own digest, so that none runs into the next."""
    parts = (claim.key, claim.region, claim.service, claim.at.isoformat(), claim.signature, to_sign)
    return sha256(b"".join(sha256(part.encode()).digest() for part in parts)).digest()
