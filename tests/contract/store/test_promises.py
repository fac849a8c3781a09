"""Promises: no accepted change is lost, whoever dies at any point between its commit and its effect."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from isthmus.store.promises import Claimed, ClaimLost, Due, Promises, due
from tests.contract.store.conftest import Killed, at_once, dying
from tests.contract.store.desk import LEASE, Desk
from tests.databases import libpq


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
