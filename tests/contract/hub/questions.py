"""A client's signature as an agent shows it to a hub, and one agent of an org with keys, over either feed."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from gateway.feeds.store import StoreFeed
from gateway.proto import link_pb2 as link
from isthmus.adapters.sealer import Sealer
from isthmus.sigv4 import ALGORITHM, Claim, signing_key
from isthmus.store import tables
from isthmus.store.access_keys import AccessKeys
from isthmus.store.database import Database
from isthmus.values import AgentId, Secret
from tests.conftest import ACCOUNT, OTHER_ACCOUNT
from tests.contract.hub.conftest import Agent, Rig, running
from tests.contract.hub.memory_feed import Key, MemoryFeed
from tests.databases import Copy, libpq

SEALER = Sealer(bytes(32))
SECRET = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
OWN, INACTIVE, OTHERS, UNKNOWN = (f"AKIAABCDEFGHIJKLMNO{letter}" for letter in "PQRS")
_IDS = count(1)


def minutes_from_now(minutes: float) -> datetime:
    """In whole seconds, as signatures are."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=minutes)


def shown(
    key: str = OWN,
    secret: str = SECRET,
    *,
    region: str = "eu-west-1",
    service: str = "appmesh",
    minutes: float = 0,
    scope: str = "",
) -> link.SignatureQuestion:
    """A question about a signature that `secret` made so many minutes from now; `scope` only for a wrong one."""
    claim = Claim(key, region, service, minutes_from_now(minutes), (), "")
    digest = hashlib.sha256(b"the canonical request").hexdigest()
    to_sign = f"{ALGORITHM}\n{claim.at:%Y%m%dT%H%M%SZ}\n{scope or claim.scope}\n{digest}"
    return link.SignatureQuestion(
        id=next(_IDS),
        access_key=key,
        region=claim.region,
        service=claim.service,
        at=claim.at.timestamp(),
        to_sign=to_sign,
        signature=hmac.digest(signing_key(Secret(secret), claim), to_sign.encode(), "sha256").hex(),
    )


def altered(question: link.SignatureQuestion, **changed: Any) -> link.SignatureQuestion:  # noqa: ANN401 - its fields
    """The same question with fields changed after it was signed; `minutes` from now is another way to say `at`."""
    if "minutes" in changed:
        changed["at"] = minutes_from_now(changed.pop("minutes")).timestamp()
    out = link.SignatureQuestion()
    out.CopyFrom(question)
    for name, value in changed.items():
        setattr(out, name, value)
    out.id = next(_IDS)
    return out


@dataclass
class Asking:
    """An agent's stream, and the ids and secrets of `own`, `inactive`, `other org's` and `unknown` keys."""

    agent: Agent
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    def shown(self, key: str = "own", **claimed: Any) -> link.SignatureQuestion:  # noqa: ANN401 - see `shown`
        """A question about a true signature of one of the keys."""
        return shown(*self.keys[key], **claimed)

    async def ask(self, question: link.SignatureQuestion) -> tuple[str, str, str]:
        """Account, code and words of the answer to a question."""
        await self.agent.say(signature=question)
        answer = await self.agent.next("signature")
        assert answer.id == question.id
        return answer.account, answer.refused_code, answer.refused


class StoreKeys(MemoryFeed):
    """A feed in memory, but for signatures: about those it asks the store."""

    def __init__(self, store: StoreFeed) -> None:
        super().__init__()
        self._store = store

    async def signer(self, agent: AgentId, question: link.SignatureQuestion, now: datetime) -> str:
        """The store's answer."""
        return await self._store.signer(agent, question, now)


@asynccontextmanager
async def over_memory() -> AsyncIterator[tuple[Rig, Asking]]:
    """Keys in memory."""
    async with running(MemoryFeed()) as rig:
        place, rival = rig.feed.cluster("east", "acme"), rig.feed.cluster("east", "rival")
        rig.feed.keys = {
            OWN: Key(place.org, ACCOUNT, SECRET),
            INACTIVE: Key(place.org, ACCOUNT, SECRET, active=False),
            OTHERS: Key(rival.org, OTHER_ACCOUNT, SECRET),
        }
        ids = {"own": OWN, "inactive": INACTIVE, "other org's": OTHERS, "unknown": UNKNOWN}
        agent = await rig.connect(await rig.replica(place))
        yield rig, Asking(agent, {name: (key, SECRET) for name, key in ids.items()})


@asynccontextmanager
async def over_store(database: Database, copy: Copy, org: UUID, other_org: UUID) -> AsyncIterator[Asking]:
    """Keys in the store, sealed."""
    with database.tenant(other_org) as session:
        foreign = AccessKeys(session, other_org, SEALER).create(OTHER_ACCOUNT)
    with database.tenant(org) as session:
        keys = AccessKeys(session, org, SEALER)
        own, revoked = keys.create(ACCOUNT), keys.create(ACCOUNT)
        keys.deactivate(revoked.id)
    made = {"own": own, "inactive": revoked, "other org's": foreign}
    async with running(StoreKeys(store_feed(database, copy.url))) as rig:
        agent = await rig.connect(await rig.replica(rig.feed.cluster("east", "acme", org)))
        known = {name: (key.id, key.secret) for name, key in made.items()}
        yield Asking(agent, {**known, "unknown": (UNKNOWN, SECRET)})


def store_feed(database: Database, url: str) -> StoreFeed:
    """The store's feed, which nobody asks for an intermediate."""

    def unsigned(_authority: tables.Authority, _agent: AgentId, _csr: bytes) -> link.IntermediateCertificate:
        raise AssertionError("no intermediate is asked for here")

    return StoreFeed(database, libpq(url), unsigned, SEALER)
