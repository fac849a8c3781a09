"""Certificates by ACME: step by step, once the agents have the answers; renewed; a failure waits and says why."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.proto import link_pb2 as link
from isthmus.adapters.sealer import Sealer
from isthmus.pki import path
from isthmus.pki.chain import parse_pem
from isthmus.store import tables
from isthmus.store.acme import Challenges, taken
from isthmus.store.certificates import ACME, TASK, Certificates, Wanted, sealing_context
from isthmus.store.database import Database
from tests.acme_server import AcmeServer, acme_server
from tests.contract.workers.region import KEY, Region
from tests.databases import Copy
from workers.certify import see_to

SEALER = Sealer(bytes(32))
DOMAINS = ("shop.example", "www.shop.example")


@pytest.fixture
def acme() -> Iterator[AcmeServer]:
    with acme_server() as made:
        yield made


@pytest.fixture
def region(copy: Copy, database: Database, org: UUID) -> Region:
    return Region.of(copy, database, org)


@pytest.fixture
async def speaking(region: Region) -> Region:
    """Both clusters' agents are there, and keep certificates."""
    for name in region.clusters:
        hello = link.Hello(version="1", features=["certificates"])
        admitted = await region.feed.admit(region.agent(name), KEY, hello, "hub")
        region.epochs[name] = admitted.epoch
        await region.apply(name)
    return region


@contextmanager
def gateway(region: Region, acme: AcmeServer) -> Iterator[None]:
    """Stands where a domain leads: it answers what the agent of `east` was told last, as its virtual gateway would."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with region.database.tenant(region.org) as session:
                posed = {(c.domain, c.token): c.answer for c in Challenges(session, region.org).all()}
            answer = posed.get((self.headers["host"], self.path.rpartition("/")[2]))
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write((answer or "").encode())

        def log_message(self, *_: object) -> None:
            """Nothing to a test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    acme.leads |= dict.fromkeys(DOMAINS, f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def take(region: Region, *clusters: str) -> None:
    """The clusters' agents take what they are sent of certificates, and say so."""
    for cluster in clusters:
        sent = await region.feed.certificates(region.agent(cluster))
        beat = link.Heartbeat(applied=[sent.position])
        await region.post(cluster, link.FromAgent(heartbeat=beat))


def ordered(region: Region, acme: AcmeServer) -> UUID:
    with region.database.tenant(region.org) as session:
        wanted = Wanted(ACME, DOMAINS, "us-east-1", directory=acme.directory)
        return Certificates(session, region.org).want(wanted).id


def step(region: Region, number: UUID, later: timedelta = timedelta(0)) -> tables.Certificate:
    with region.database.tenant(region.org) as session:
        see_to(session, region.org, number, datetime.now(UTC) + later, SEALER)
    with region.database.tenant(region.org) as session:
        return session.get_one(tables.Certificate, (region.org, number))


def posed(region: Region) -> list[str]:
    with region.database.tenant(region.org) as session:
        return [c.domain for c in Challenges(session, region.org).all()]


def due(region: Region) -> list[datetime]:
    row = tables.Promise
    with region.database.tenant(region.org) as session:
        return [p.due_at for p in session.query(row).filter(row.task == TASK, row.processed_at.is_(None))]


def kept(region: Region) -> None:
    """As a worker that has done what was promised."""
    with region.database.tenant(region.org) as session:
        session.query(tables.Promise).update({"processed_at": datetime.now(UTC)})


async def fetched(region: Region, number: UUID, later: timedelta = timedelta(0)) -> tables.Certificate:
    """All steps, with agents that take the answers."""
    step(region, number, later)
    await take(region, "east", "west")
    for _ in range(3):
        row = step(region, number, later)
    return row


async def test_a_certificate_is_fetched_step_by_step(speaking: Region, acme: AcmeServer) -> None:
    number = ordered(speaking, acme)
    row = step(speaking, number)
    assert (row.state, posed(speaking)) == ("pending", list(DOMAINS))
    row = step(speaking, number)
    assert (row.reason[:30], acme.fetched) == ("no agent has the answers for t", []), "it is asked once: not too early"
    await take(speaking, "east")
    assert step(speaking, number).reason, "a gateway of west may be asked, too"
    await take(speaking, "west")
    with gateway(speaking, acme):
        step(speaking, number)
        assert acme.fetched == list(DOMAINS)
        step(speaking, number)
        row = step(speaking, number)
    assert (row.state, row.reason, row.generation, sorted(row.domains)) == ("issued", "", 1, list(DOMAINS))
    assert (posed(speaking), row.pending, row.pending_key) == ([], None, None)
    assert row.chain is not None
    assert row.sealed_key is not None
    leaf, *above = parse_pem(row.chain)
    path.leads([leaf], [acme.authority.certificate], datetime.now(UTC))
    assert above == [acme.authority.certificate]
    key = load_pem_private_key(SEALER.open(row.sealed_key, sealing_context(speaking.org, number)), None)
    assert key.public_key() == leaf.public_key()


async def test_it_is_renewed_at_two_thirds_by_the_same_account_and_shown_until_then(
    speaking: Region, acme: AcmeServer
) -> None:
    number = ordered(speaking, acme)
    with gateway(speaking, acme):
        first = await fetched(speaking, number)
        assert step(speaking, number, timedelta(days=59)).pending is None, "too early"
        later = timedelta(days=61)
        row = step(speaking, number, later)
        assert (row.state, row.serial, row.pending is None) == ("issued", first.serial, False)
        await take(speaking, "east", "west")
        for _ in range(3):
            row = step(speaking, number, later)
    assert (row.generation, row.state) == (2, "issued")
    assert row.serial != first.serial
    assert len(acme.accounts) == 1


async def test_what_the_authority_does_not_find_is_a_reason_and_another_order_later(
    speaking: Region, acme: AcmeServer
) -> None:
    number = ordered(speaking, acme)
    acme.leads |= dict.fromkeys(DOMAINS, "127.0.0.1:1")
    step(speaking, number)
    await take(speaking, "east", "west")
    step(speaking, number)
    kept(speaking)
    row = step(speaking, number)
    assert (row.state, row.failures, row.pending) == ("failed", 1, None)
    assert "shop.example" in row.reason
    assert "Connection refused" in row.reason
    assert posed(speaking) == []
    (again,) = due(speaking)
    wait = again - datetime.now(UTC)
    assert timedelta(seconds=5) < wait < timedelta(seconds=11)
    with gateway(speaking, acme):
        row = await fetched(speaking, number)
    assert (row.state, row.failures) == ("issued", 0)


async def test_an_authority_that_is_away_is_tried_again_later_and_later(speaking: Region, acme: AcmeServer) -> None:
    number = ordered(speaking, acme)
    acme.down = True
    for failures in (1, 2):
        row = step(speaking, number)
        assert (row.state, row.failures) == ("failed", failures)
        assert "down for maintenance" in row.reason
    acme.down = False
    with gateway(speaking, acme):
        assert (await fetched(speaking, number)).state == "issued"


async def test_an_order_that_nobody_answers_is_given_up(region: Region, acme: AcmeServer) -> None:
    """No agent is there: after five minutes the order is dropped, with the reason it waited for."""
    number = ordered(region, acme)
    step(region, number)
    step(region, number)
    row = step(region, number, timedelta(minutes=6))
    assert (row.state, row.pending, acme.fetched) == ("failed", None, [])
    assert row.reason.startswith("no agent has the answers")


async def test_agents_that_cannot_keep_certificates_are_not_waited_for(region: Region, org: UUID) -> None:
    since = datetime.now(UTC)
    with region.database.tenant(org) as session:
        assert not taken(session, org, since), "nobody is there"
    await region.connect("east")
    with region.database.tenant(org) as session:
        assert not taken(session, org, since), "who is there cannot"
    hello = link.Hello(version="1", features=["certificates"])
    region.epochs["west"] = (await region.feed.admit(region.agent("west"), KEY, hello, "hub")).epoch
    position = link.Position(lane=link.CERTIFICATES, sequence=int(since.timestamp() * 1_000_000) + 1, version="x")
    await region.post("west", link.FromAgent(heartbeat=link.Heartbeat(applied=[position])))
    with region.database.tenant(org) as session:
        assert taken(session, org, since)
        assert not taken(session, org, since + timedelta(seconds=1))
