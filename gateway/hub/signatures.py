"""signatures: agents ask whether a signature holds, because they must not hold the secret that would tell them.

What can be told without a key comes first and is the same for every key, so that nothing about keys is learned from it;
the rest is the feed's, and the secret stays there. Any cluster's client can make an agent ask, so a stream has two
questions under way and a bounded number waiting, beyond which it says "later": reports and offers go on in between.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime

from gateway.hub.feed import Feed
from gateway.proto import link_pb2 as link
from isthmus.errors import Denied, Exhausted, Unavailable
from isthmus.sigv4 import ALGORITHM, Claim, Incomplete, Refused, UnknownKey, refuse_skewed
from isthmus.values import AgentId

log = logging.getLogger(__name__)

SERVICE = "appmesh"
AWAY = "ServiceUnavailableException"
"""The code that is no verdict: ask again later."""
WAITING = 64
"""Questions of one stream that may wait for a verdict; agents keep half of that under way."""
DECLINED = 1_000
"""Questions beyond those whose "later" is not written yet: who sends more does not read what we answer."""
_AT_ONCE = 2

_KEY = re.compile(r"[A-Z0-9]{16,128}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_TO_SIGN = re.compile(rf"{ALGORITHM}\n([0-9]{{8}}T[0-9]{{6}}Z)\n([a-z0-9/_-]{{1,256}})\n[0-9a-f]{{64}}")


def claim_in(question: link.SignatureQuestion, now: datetime) -> Claim:
    """What a question says was signed: whole, fresh, for our service, and the same in `to_sign`. Refused otherwise."""
    found = _TO_SIGN.fullmatch(question.to_sign)
    if found is None or not _SIGNATURE.fullmatch(question.signature):
        raise Incomplete(f"this is not an {ALGORITHM} signature of a string to sign")
    if question.service != SERVICE:
        raise Refused(f"Credential should be scoped to correct service: '{SERVICE}'.")
    at = _time(found[1])
    claim = Claim(question.access_key, question.region, question.service, at, (), question.signature)
    if at.timestamp() != question.at or found[2] != claim.scope:
        raise Refused("the string to sign is of another time, region or service than the claim")
    refuse_skewed(at, now)
    if not _KEY.fullmatch(claim.key):
        raise unknown_key()
    return claim


def unknown_key() -> UnknownKey:
    """The one answer about a key that is unknown, inactive or another org's, in AWS's words."""
    return UnknownKey("The security token included in the request is invalid.")


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Incomplete(f"{text} is no time") from None


class Questions:
    """The unanswered questions of one agent's stream."""

    def __init__(
        self,
        feed: Feed,
        agent: AgentId,
        clock: Callable[[], datetime],
        send: Callable[[link.FromHub], Awaitable[None]],
    ) -> None:
        self._feed, self._agent, self._clock, self._send = feed, agent, clock, send
        self._waiting: asyncio.Queue[link.SignatureQuestion] = asyncio.Queue(WAITING)
        self._declined: asyncio.Queue[link.SignatureQuestion] = asyncio.Queue(DECLINED)

    @property
    def tasks(self) -> Sequence[Callable[[], Coroutine[None, None, None]]]:
        """What answers, each until cancelled; they raise Denied if the agent may not go on."""
        return (*[self._answer] * _AT_ONCE, self._decline)

    def put(self, question: link.SignatureQuestion) -> None:
        """Take a question, without waiting; Exhausted from an agent that reads no answers."""
        for queue in (self._waiting, self._declined):
            if not queue.full():
                return queue.put_nowait(question)
        raise Exhausted(f"more than {WAITING + DECLINED} questions about signatures are unanswered")

    async def _answer(self) -> None:
        while True:
            question = await self._waiting.get()
            await self._send(link.FromHub(signature=await self._verdict(question)))

    async def _decline(self) -> None:
        while True:
            question = await self._declined.get()
            said = f"more than {WAITING} questions about signatures are waiting"
            await self._send(link.FromHub(signature=_refusal(question, AWAY, said)))

    async def _verdict(self, question: link.SignatureQuestion) -> link.SignatureAnswer:
        """Nothing but Denied ends a stream that serves a cluster: what goes wrong here is no verdict."""
        try:
            account = await self._feed.signer(self._agent, question, self._clock())
        except Refused as refused:
            return _refusal(question, refused.code, str(refused))
        except Denied:
            raise
        except Unavailable as away:
            log.warning("cannot check a signature for %s: %s", self._agent.replica, away)
        except Exception:
            log.exception("cannot check a signature for %s", self._agent.replica)
        else:
            return link.SignatureAnswer(id=question.id, account=account)
        return _refusal(question, AWAY, "signatures cannot be checked now")


def _refusal(question: link.SignatureQuestion, code: str, why: str) -> link.SignatureAnswer:
    return link.SignatureAnswer(id=question.id, refused_code=code, refused=why)
