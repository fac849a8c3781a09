"""Join tokens against whoever has seen one, guesses one, or is simply faster: one use, fifteen minutes, no more.

Over the real hub, the real store and real TLS, because SPIRE 1.14.6's race lay between exactly those.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import grpc
import pytest

from gateway.feeds.store import StoreFeed
from gateway.hub.feed import Here
from gateway.hub.hub import Hub
from gateway.proto import link_pb2 as link
from gateway.proto import link_pb2_grpc
from isthmus.adapters.sealer import Sealer
from isthmus.pki import chain, csr, rules
from isthmus.store import tables
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.join_tokens import JoinTokens
from isthmus.values import AgentId
from tests.contract.hub.conftest import new_key, new_link_ca
from tests.databases import Copy, libpq

TOKENS, RACERS = 50, 50


class Gate:
    """A hub over the store, seen from the enrolment port."""

    def __init__(self, database: Database, org: UUID, channel: grpc.aio.Channel) -> None:
        self.database, self.org, self.channel = database, org, channel
        self.stub = link_pb2_grpc.EnrolmentStub(channel)
        with database.tenant(org) as session:
            self.cluster = Clusters(session, org).create("east", "us-east-1", "", now=datetime.now(UTC)).id

    def token(self, life: timedelta = timedelta(minutes=15)) -> str:
        with self.database.tenant(self.org) as session:
            return str(JoinTokens(session, self.org).create(self.cluster, life=life).text)

    def replicas(self) -> list[str]:
        with self.database.tenant(self.org) as session:
            return [row.name for row in session.query(tables.Replica)]

    async def try_join(self, token: str, replica: str = "a-0") -> link.LinkCertificate | grpc.StatusCode:
        request = link.JoinRequest(token=token, csr_der=csr.make(new_key()), replica=replica)
        try:
            answer: link.LinkCertificate = await self.stub.Join(request, timeout=60)
        except grpc.aio.AioRpcError as refused:
            return refused.code()
        return answer


def unsigned(_authority: tables.Authority, _agent: AgentId, _csr: bytes) -> link.IntermediateCertificate:
    raise AssertionError("nobody asks for an intermediate here")


@asynccontextmanager
async def opened(database: Database, copy: Copy, org: UUID) -> AsyncIterator[Gate]:
    ca = new_link_ca()
    feed = StoreFeed(database, libpq(copy.url), unsigned, Sealer(bytes(32)))
    async with Hub(feed, ca, Here("hub-1", "us-east-1", "127.0.0.1:1", "127.0.0.1:1")) as hub:
        _, port = await hub.start("127.0.0.1:0", "127.0.0.1:0")
        credentials = grpc.ssl_channel_credentials(chain.to_pem([ca.certificate]))
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
            yield Gate(database, org, channel)


@pytest.fixture
async def gate(database: Database, copy: Copy, org: UUID) -> AsyncIterator[Gate]:
    async with opened(database, copy, org) as made:
        yield made


async def test_a_token_admits_one_replica_of_its_own_cluster(gate: Gate) -> None:
    answer = await gate.try_join(gate.token())
    assert isinstance(answer, link.LinkCertificate)
    (made,) = chain.parse_pem(answer.certificate_pem)
    assert AgentId.parse(rules.uris(made)[0]) == AgentId(gate.org, gate.cluster, "a-0")


async def test_a_used_token_is_refused_and_logged_without_its_text(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    token = gate.token()
    await gate.try_join(token)
    with caplog.at_level(logging.DEBUG):
        assert await gate.try_join(token, "a-1") is grpc.StatusCode.PERMISSION_DENIED
    assert "join refused" in caplog.text
    assert token not in caplog.text
    assert gate.replicas() == ["a-0"]


async def test_an_expired_token_is_refused(gate: Gate) -> None:
    assert await gate.try_join(gate.token(timedelta(seconds=-1))) is grpc.StatusCode.PERMISSION_DENIED
    assert gate.replicas() == []


FORGERIES: dict[str, Callable[[str], str]] = {
    "a letter changed": lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"),
    "upper case": lambda token: token.upper(),
    "a space more": lambda token: token + " ",
    "a null more": lambda token: token + "\0",
    "half of it": lambda token: token[: len(token) // 2],
    "nothing": lambda _: "",
    "a wildcard": lambda _: "%",
    "SQL": lambda _: "' OR 1=1 --",
    "very long": lambda _: "x" * 10_000,
}


async def test_forged_tokens_are_refused_and_spend_nothing(gate: Gate) -> None:
    token = gate.token()
    answers = {name: await gate.try_join(forge(token)) for name, forge in FORGERIES.items()}
    assert answers == dict.fromkeys(FORGERIES, grpc.StatusCode.PERMISSION_DENIED)
    assert isinstance(await gate.try_join(token), link.LinkCertificate)


async def test_of_fifty_racers_for_a_token_one_wins(gate: Gate) -> None:
    """Each token by itself, every racer under another name, so that a second success would be seen in the rows too."""
    for number in range(TOKENS):
        token = gate.token()
        racers = [gate.try_join(token, f"r{number}-{racer}") for racer in range(RACERS)]
        answers = await asyncio.gather(*racers)
        won = [answer for answer in answers if isinstance(answer, link.LinkCertificate)]
        lost = [answer for answer in answers if answer is grpc.StatusCode.PERMISSION_DENIED]
        assert (len(won), len(lost)) == (1, RACERS - 1)
    assert len(gate.replicas()) == TOKENS


async def test_a_token_of_one_org_never_names_another(gate: Gate, other_org: UUID) -> None:
    """The same cluster and replica names: the certificate follows the token."""
    for side in (gate, Gate(gate.database, other_org, gate.channel)):
        answer = await side.try_join(side.token())
        assert isinstance(answer, link.LinkCertificate)
        (made,) = chain.parse_pem(answer.certificate_pem)
        assert AgentId.parse(rules.uris(made)[0]) == AgentId(side.org, side.cluster, "a-0")
