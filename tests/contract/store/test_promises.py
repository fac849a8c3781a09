"""Promises: no accepted change is lost, whoever dies at any point between its commit and its effect."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.orm import Session

from isthmus.store import tables
from isthmus.store.database import Database
from isthmus.store.promises import Claimed, ClaimLost, Due, Promises, due, next_due
from tests.conftest import ACCOUNT
from tests.contract.store.conftest import Killed, at_once, dying
from tests.databases import Copy, libpq
from tests.until import until

LEASE = 30.0


class Desk:
    """Promises of one org, a transaction a call; and the relay's side."""

    def __init__(self, database: Database, copy: Copy, org: UUID) -> None:
        self.database, self.copy, self.org = database, copy, org

    def make(self, task: str = "compile", *, once: str | None = None, due_at: datetime | None = None) -> None:
        with self.database.tenant(self.org) as session:
            Promises(session, self.org).make(task, {"mesh": "m"}, once=once, due_at=due_at)

    def claim(self, promise: int, lease: float = LEASE) -> Claimed | None:
        with self.database.tenant(self.org) as session:
            return Promises(session, self.org).claim(promise, lease)

    def done(self, promise: int, generation: int) -> None:
        with self.database.tenant(self.org) as session:
            Promises(session, self.org).done(promise, generation)

    def effect(self, promise: int, generation: int) -> None:
        """Leave something and keep the promise, in one transaction."""
        with self.database.tenant(self.org) as session:
            Promises(session, self.org).make("effect", {})
            Promises(session, self.org).done(promise, generation)

    def send(self, most: int = 100) -> list[Due]:
        with self.database.system() as session:
            return sorted(due(session, most), key=lambda promise: promise.id)

    def next_due(self) -> float | None:
        with self.database.system() as session:
            return next_due(session)

    def all(self) -> list[tables.Promise]:
        with self.database.tenant(self.org) as session:
            return session.query(tables.Promise).order_by(tables.Promise.id).all()

    def shift(self, seconds: float) -> None:
        """Time passes in the database: every time in it is that much longer ago."""
        names = ("due_at", "sent_at", "claimed_at", "lease_until")
        with self.copy.connect() as admin:
            for name in map(sql.Identifier, names):
                shifted = sql.SQL("UPDATE promises SET {} = {} - %s * interval '1 s'").format(name, name)
                admin.execute(shifted, [seconds])


@pytest.fixture
def desk(database: Database, copy: Copy, org: UUID) -> Desk:
    return Desk(database, copy, org)


def blocked(copy: Copy) -> int:
    """How many sessions wait for a lock."""
    with copy.connect() as admin:
        row = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone()
    assert row
    return int(row[0])


def test_a_promise_is_sent_once_claimed_once_and_kept(desk: Desk) -> None:
    desk.make()
    (sent,) = desk.send()
    assert (sent.org, sent.task) == (desk.org, "compile")
    assert desk.send() == []
    claimed = desk.claim(sent.id)
    assert claimed == Claimed("compile", {"mesh": "m"}, 1)
    assert desk.claim(sent.id) is None, "a message that is delivered twice"
    desk.done(sent.id, 1)
    desk.shift(3600)
    assert desk.send() == []
    assert desk.claim(sent.id) is None
    assert desk.next_due() is None


def test_promises_of_all_orgs_are_sent_by_one_relay_in_batches(desk: Desk, other_org: UUID) -> None:
    for _ in range(3):
        desk.make()
    Desk(desk.database, desk.copy, other_org).make("ping")
    first, second = desk.send(3), desk.send(3)
    assert (len(first), len(second)) == (3, 1)
    assert {promise.org for promise in first + second} == {desk.org, other_org}


def test_a_promise_for_later_is_not_sent_before_and_the_relay_is_told_how_long(desk: Desk) -> None:
    desk.make(due_at=datetime.now(UTC) + timedelta(seconds=60))
    assert desk.send() == []
    wait = desk.next_due()
    assert wait is not None
    assert 55 < wait <= 60
    desk.shift(61)
    assert desk.next_due() == 0
    assert len(desk.send()) == 1


def test_the_relay_dies_before_it_commits_and_all_is_due_again(desk: Desk) -> None:
    desk.make()
    with dying(), desk.database.system() as session:
        assert len(due(session, 10)) == 1
        raise Killed
    assert len(desk.send()) == 1


def test_the_message_is_lost_and_it_is_sent_again_after_ten_seconds(desk: Desk) -> None:
    desk.make()
    (sent,) = desk.send()
    wait = desk.next_due()
    assert wait is not None
    assert 5 < wait <= 10
    desk.shift(10.1)
    assert desk.send() == [sent]


def test_the_worker_dies_before_it_claims(desk: Desk) -> None:
    desk.make()
    desk.send()
    desk.shift(11)
    (again,) = desk.send()
    assert desk.claim(again.id) is not None


def test_the_worker_dies_with_its_claim_and_the_next_gets_it_when_the_lease_is_over(desk: Desk) -> None:
    desk.make()
    (sent,) = desk.send()
    desk.claim(sent.id)
    desk.shift(11)
    assert desk.send() == [], "it is being worked on"
    wait = desk.next_due()
    assert wait is not None
    assert 15 < wait <= 19
    desk.shift(20)
    assert desk.send() == [sent]
    second = desk.claim(sent.id)
    assert second is not None
    assert second.generation == 2


def test_the_worker_dies_in_its_effect_and_neither_effect_nor_end_is_there(desk: Desk) -> None:
    desk.make()
    (sent,) = desk.send()
    claimed = desk.claim(sent.id)
    assert claimed
    with dying(), desk.database.tenant(desk.org) as session:
        Promises(session, desk.org).make("effect", {})
        Promises(session, desk.org).done(sent.id, claimed.generation)
        raise Killed
    assert [(p.task, p.processed_at) for p in desk.all()] == [("compile", None)]


def test_a_slow_worker_that_lost_its_claim_cannot_leave_its_effect(desk: Desk) -> None:
    desk.make()
    (sent,) = desk.send()
    slow = desk.claim(sent.id)
    desk.shift(LEASE + 1)
    fast = desk.claim(sent.id)
    assert slow
    assert fast
    with pytest.raises(ClaimLost):
        desk.effect(sent.id, slow.generation)
    with pytest.raises(ClaimLost), desk.database.tenant(desk.org) as session:
        Promises(session, desk.org).renew(sent.id, slow.generation, LEASE)
    desk.done(sent.id, fast.generation)
    assert [p.task for p in desk.all()] == ["compile"]
    with pytest.raises(ClaimLost):
        desk.done(sent.id, fast.generation)


def test_a_late_worker_whose_claim_nobody_took_may_finish(desk: Desk) -> None:
    desk.make()
    (sent,) = desk.send()
    claimed = desk.claim(sent.id)
    desk.shift(LEASE + 1)
    assert claimed
    desk.done(sent.id, claimed.generation)


def test_a_lease_that_is_renewed_is_not_over(desk: Desk) -> None:
    desk.make()
    (sent,) = desk.send()
    desk.claim(sent.id)
    desk.shift(LEASE - 1)
    with desk.database.tenant(desk.org) as session:
        Promises(session, desk.org).renew(sent.id, 1, LEASE)
    desk.shift(LEASE - 1)
    assert desk.claim(sent.id) is None


def test_work_that_failed_is_given_back_and_sent_again_when_it_was_asked_for(desk: Desk) -> None:
    desk.make()
    (sent,) = desk.send()
    desk.claim(sent.id)
    with desk.database.tenant(desk.org) as session:
        Promises(session, desk.org).give_back(sent.id, 1, 2.0)
    assert desk.send() == []
    desk.shift(2.1)
    assert desk.send() == [sent]
    again = desk.claim(sent.id)
    assert again
    assert again.generation == 2


def test_of_many_deliveries_at_once_one_claims(desk: Desk) -> None:
    desk.make()
    (sent,) = desk.send()
    claims: list[Claimed | None] = []
    at_once(*[lambda: claims.append(desk.claim(sent.id))] * 20)
    assert len([claim for claim in claims if claim]) == 1


def test_relays_at_once_send_each_promise_once(desk: Desk) -> None:
    for _ in range(60):
        desk.make()
    sent: list[Due] = []
    at_once(*[lambda: sent.extend(desk.send(10))] * 12)
    sent += desk.send()
    assert len(sent) == len({promise.id for promise in sent}) == 60


def test_causes_share_a_promise_that_nobody_has_claimed(desk: Desk) -> None:
    for _ in range(5):
        desk.make(once="compile:m")
    desk.make(once="compile:other")
    desk.send()
    desk.make(once="compile:m")
    assert [p.once for p in desk.all()] == ["compile:m", "compile:other"]


def test_of_the_times_of_causes_that_share_a_promise_the_earliest_holds(desk: Desk) -> None:
    now = datetime.now(UTC)
    for seconds in (60, 30, 90):
        desk.make(once="m", due_at=now + timedelta(seconds=seconds))
    assert [p.due_at for p in desk.all()] == [now + timedelta(seconds=30)]


def test_a_cause_that_comes_while_the_work_runs_makes_a_new_promise(desk: Desk) -> None:
    desk.make(once="m")
    (sent,) = desk.send()
    claimed = desk.claim(sent.id)
    desk.make(once="m")
    assert claimed
    desk.done(sent.id, claimed.generation)
    (second,) = desk.send()
    assert second.id != sent.id


def test_a_lapsed_claim_and_a_newer_promise_of_the_same_once_live_side_by_side(desk: Desk) -> None:
    desk.make(once="m")
    (first,) = desk.send()
    desk.claim(first.id)
    desk.make(once="m")
    desk.shift(LEASE + 1)
    both = desk.send()
    assert len(both) == 2
    for promise in both:
        claimed = desk.claim(promise.id)
        assert claimed
        desk.done(promise.id, claimed.generation)
    assert desk.next_due() is None


def test_a_claim_waits_for_a_cause_that_relies_on_the_promise_so_the_work_sees_it(desk: Desk) -> None:
    """Without the cause's lock the worker would read the head before the cause commits: a lost change."""
    desk.make(once="m")
    (sent,) = desk.send()
    seen: list[int] = []

    def work() -> None:
        assert desk.claim(sent.id)
        with desk.database.tenant(desk.org) as session:
            seen.append(session.query(tables.Account).count())

    with desk.database.tenant(desk.org) as session:
        Promises(session, desk.org).make("compile", {"mesh": "m"}, once="m")
        session.add(tables.Account(org_id=desk.org, id="444444444444", name="the cause"))
        session.flush()
        worker = threading.Thread(target=work)
        worker.start()
        until(lambda: blocked(desk.copy))
        assert seen == []
    worker.join()
    assert seen == [2], f"{ACCOUNT} and the cause's"
    assert len(desk.all()) == 1


def test_a_cause_waits_for_a_claim_under_way_and_then_makes_its_own_promise(desk: Desk) -> None:
    desk.make(once="m")
    (sent,) = desk.send()
    with desk.database.tenant(desk.org) as session:
        assert Promises(session, desk.org).claim(sent.id, LEASE)
        cause = threading.Thread(target=desk.make, kwargs={"once": "m"})
        cause.start()
        until(lambda: blocked(desk.copy))
    cause.join()
    assert [p.claimed_at is None for p in desk.all()] == [False, True]


def test_a_cause_that_finds_a_claim_rolled_back_relies_on_the_promise_again(desk: Desk) -> None:
    desk.make(once="m")
    (sent,) = desk.send()
    with dying(), desk.database.tenant(desk.org) as session:
        Promises(session, desk.org).claim(sent.id, LEASE)
        cause = threading.Thread(target=desk.make, kwargs={"once": "m"})
        cause.start()
        until(lambda: blocked(desk.copy))
        raise Killed
    cause.join()
    assert [p.claimed_at for p in desk.all()] == [None]
    assert desk.claim(sent.id)


def test_short_work_ends_with_its_effect_or_not_at_all(desk: Desk) -> None:
    desk.make(once="m")
    (sent,) = desk.send()

    def work(session: Session) -> bool:
        promises = Promises(session, desk.org)
        if promises.process(sent.id) is None:
            return False
        promises.make("effect", {})
        return True

    with dying(), desk.database.tenant(desk.org) as session:
        assert work(session)
        raise Killed
    done: list[bool] = []

    def deliver() -> None:
        with desk.database.tenant(desk.org) as session:
            done.append(work(session))

    at_once(*[deliver] * 8)
    assert sorted(done) == [False] * 7 + [True]
    assert [p.task for p in desk.all()] == ["compile", "effect"]


def test_a_cause_during_short_work_is_not_covered_by_it(desk: Desk) -> None:
    desk.make(once="m")
    (sent,) = desk.send()
    with desk.database.tenant(desk.org) as session:
        assert Promises(session, desk.org).process(sent.id) == {"mesh": "m"}
        cause = threading.Thread(target=desk.make, kwargs={"once": "m"})
        cause.start()
        until(lambda: blocked(desk.copy))
    cause.join()
    assert [p.processed_at is None for p in desk.all()] == [False, True]


def test_a_new_promise_and_one_relied_on_wake_the_relay_when_they_commit(desk: Desk) -> None:
    with psycopg.connect(libpq(desk.copy.url), autocommit=True) as relay:
        relay.execute("LISTEN promises")
        for _ in range(2):
            desk.make(once="m")
            assert [n.channel for n in relay.notifies(timeout=5, stop_after=1)] == ["promises"]


def test_another_org_can_neither_claim_nor_keep_a_promise(desk: Desk, other_org: UUID) -> None:
    desk.make()
    (sent,) = desk.send()
    thief = Desk(desk.database, desk.copy, other_org)
    assert thief.claim(sent.id) is None
    with pytest.raises(ClaimLost):
        thief.done(sent.id, 0)
    with desk.database.tenant(other_org) as session:
        assert session.execute(text("UPDATE promises SET processed_at = now()")).rowcount == 0  # type: ignore[attr-defined]


def cause_changes(desk: Desk, seed: int) -> None:
    """Raise the counter 50 times, each with a promise to copy it; some die before they commit."""
    for i in range(50):
        with suppress(Killed), desk.database.tenant(desk.org) as session:
            session.execute(text("UPDATE counter SET head = head + 1"))
            Promises(session, desk.org).make("copy", {}, once="copy")
            if (i + seed) % 7 == 0:
                raise Killed


def copy_head(desk: Desk, promise: int, generation: int, *, dies: bool) -> None:
    """Keep the promise: what the counter is now is copied."""
    with suppress(Killed, ClaimLost), desk.database.tenant(desk.org) as session:
        head = session.scalar(text("SELECT head FROM counter"))
        session.execute(text("UPDATE counter SET copied = greatest(copied, :head)"), {"head": head})
        if dies:
            raise Killed
        Promises(session, desk.org).done(promise, generation)


def work_until(over: threading.Event, desk: Desk, step: int) -> None:
    """A relay and worker that dies at every point of its road; ten seconds are a tenth here."""
    while not over.is_set():
        for promise in desk.send(3):
            step += 1
            claimed = desk.claim(promise.id, 0.02)
            if claimed is not None and step % 3:  # else it dies with its claim
                copy_head(desk, promise.id, claimed.generation, dies=step % 5 == 0)
        with desk.copy.connect() as admin:
            admin.execute("UPDATE promises SET sent_at = sent_at - interval '9.9 s' WHERE processed_at IS NULL")


def test_whoever_dies_every_change_is_seen_by_a_later_effect(desk: Desk) -> None:
    with desk.copy.connect() as admin:
        admin.execute("CREATE TABLE counter (head int, copied int)")
        admin.execute("INSERT INTO counter VALUES (0, 0)")
        admin.execute("GRANT ALL ON counter TO isthmus_app")
    over = threading.Event()
    workers = [threading.Thread(target=work_until, args=[over, desk, seed]) for seed in range(2)]
    for thread in workers:
        thread.start()
    at_once(*(partial(cause_changes, desk, seed) for seed in range(3)))
    until(lambda: desk.next_due() is None, seconds=30)
    over.set()
    for thread in workers:
        thread.join()
    with desk.copy.connect() as admin:
        row = admin.execute("SELECT head, copied FROM counter").fetchone()
        admin.execute("DROP TABLE counter")
    assert row
    assert row[0] == row[1] > 100
