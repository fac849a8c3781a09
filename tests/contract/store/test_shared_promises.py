"""Causes share a promise that nobody has claimed, and no interleaving of causes and workers loses a change."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import text

from isthmus.store import tables
from isthmus.store.promises import ClaimLost, Promises
from tests.conftest import ACCOUNT
from tests.contract.store.conftest import Killed, at_once, blocked, dying
from tests.contract.store.desk import LEASE, Desk
from tests.until import until


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
