"""A POST that is sent again gets the answer that it got, and its effect happens once."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from isthmus.errors import Invalid
from isthmus.store.database import AsyncDatabase, Database
from isthmus.store.idempotency import SWEPT, Answer, IdempotencyKeys, InFlight
from isthmus.store.promises import Promises
from tests.contract.store.conftest import Killed, at_once, blocked, dying
from tests.databases import Copy
from tests.until import until

ANSWER = Answer(201, {"Location": "/v1/things/1"}, b'{"id": 1}')
HASH, OTHER_HASH = b"one request", b"another request"


def post(
    database: Database, org: UUID, key: str = "k", request: bytes = HASH, principal: str = "ann", *, wait: bool = False
) -> Answer:
    """A request whose effect is a promise."""
    with database.tenant(org) as session:
        keys = IdempotencyKeys(session, org, principal)
        before = keys.begin(key, request, wait=wait)
        if before is not None:
            return before
        Promises(session, org).make("effect", {})
        keys.keep(key, request, ANSWER)
        return Answer(0, {}, b"carried out")


def effects(copy: Copy) -> int:
    with copy.connect() as admin:
        row = admin.execute("SELECT count(*) FROM promises").fetchone()
    assert row
    return int(row[0])


def test_a_second_time_gives_the_same_answer_and_no_second_effect(database: Database, copy: Copy, org: UUID) -> None:
    assert post(database, org).status == 0
    assert [post(database, org), post(database, org)] == [ANSWER, ANSWER]
    assert effects(copy) == 1


def test_the_same_key_for_another_request_is_refused(database: Database, org: UUID) -> None:
    post(database, org)
    with pytest.raises(Invalid) as refused:
        post(database, org, request=OTHER_HASH)
    assert [v.code for v in refused.value.violations] == ["idempotency_key_reused"]


def test_keys_of_another_principal_or_org_are_others(
    database: Database, copy: Copy, org: UUID, other_org: UUID
) -> None:
    post(database, org)
    assert post(database, org, principal="bob").status == 0
    assert post(database, other_org).status == 0
    assert effects(copy) == 3


def test_a_request_that_failed_may_be_tried_again(database: Database, org: UUID) -> None:
    with dying(), database.tenant(org) as session:
        IdempotencyKeys(session, org, "ann").begin("k", HASH)
        IdempotencyKeys(session, org, "ann").keep("k", HASH, ANSWER)
        raise Killed
    assert post(database, org).status == 0


def test_while_the_first_is_carried_out_a_second_is_told_so(database: Database, org: UUID) -> None:
    with database.tenant(org) as session:
        assert IdempotencyKeys(session, org, "ann").begin("k", HASH) is None
        with pytest.raises(InFlight):
            post(database, org)
    assert post(database, org).status == 0


def test_of_many_at_once_one_has_an_effect(database: Database, copy: Copy, org: UUID) -> None:
    answers: list[object] = []

    def send() -> None:
        try:
            answers.append(post(database, org).body)
        except InFlight:
            answers.append("in flight")

    at_once(*[send] * 16)
    assert answers.count(b"carried out") == 1
    assert effects(copy) == 1


def test_who_waits_gets_what_the_first_was_answered(database: Database, copy: Copy, org: UUID) -> None:
    with ThreadPoolExecutor() as threads:
        with database.tenant(org) as session:
            first = IdempotencyKeys(session, org, "ann")
            assert first.begin("k", HASH, wait=True) is None
            second = threads.submit(post, database, org, wait=True)
            until(lambda: blocked(copy) == 1)
            first.keep("k", HASH, ANSWER)
            assert not second.done()
        assert second.result(10) == ANSWER
    assert effects(copy) == 0


def test_who_waits_for_one_that_dies_takes_its_place(database: Database, copy: Copy, org: UUID) -> None:
    with ThreadPoolExecutor() as threads:
        with dying(), database.tenant(org) as session:
            IdempotencyKeys(session, org, "ann").begin("k", HASH)
            second = threads.submit(post, database, org, wait=True)
            until(lambda: blocked(copy) == 1)
            raise Killed
        assert second.result(10).status == 0
    assert effects(copy) == 1


def test_who_waits_holds_up_no_other_key(database: Database, org: UUID) -> None:
    with database.tenant(org) as session:
        IdempotencyKeys(session, org, "ann").begin("k", HASH)
        assert post(database, org, "another", wait=True).status == 0


async def test_waiting_works_with_asyncpg_as_well(async_database: AsyncDatabase, org: UUID) -> None:
    def work(session: Session) -> Answer | None:
        return IdempotencyKeys(session, org, "ann").begin("k", HASH, wait=True)

    assert await async_database.run(org, work) is None


def kept(copy: Copy) -> list[str]:
    with copy.connect() as admin:
        return [key for (key,) in admin.execute("SELECT key FROM idempotency_keys ORDER BY key").fetchall()]


def age(copy: Copy, how: str = "7 days 1 s") -> None:
    """All answers so far become that much older."""
    with copy.connect() as admin:
        admin.execute("UPDATE idempotency_keys SET created_at = created_at - %s::interval", [how])


def test_an_answer_is_forgotten_after_seven_days(database: Database, copy: Copy, org: UUID) -> None:
    post(database, org)
    age(copy, "6 days 23 hours")
    assert post(database, org) == ANSWER
    age(copy, "1 hour")
    assert post(database, org).status == 0
    assert effects(copy) == 2


def test_with_each_answer_kept_a_few_that_are_too_old_go(
    database: Database, copy: Copy, org: UUID, other_org: UUID
) -> None:
    for number in range(SWEPT + 5):
        post(database, org, f"old-{number:02}")
    post(database, org, "bob's", principal="bob")
    post(database, other_org, "theirs")
    age(copy)
    post(database, org, "new-1")
    left = [f"old-{number:02}" for number in range(SWEPT, SWEPT + 5)]
    assert kept(copy) == sorted(["bob's", "new-1", *left, "theirs"]), "the oldest go first, and only the principal's"
    post(database, org, "new-2")
    assert kept(copy) == sorted(["bob's", "new-1", "new-2", "theirs"])


def test_what_one_is_forgetting_another_does_not_wait_for(database: Database, copy: Copy, org: UUID) -> None:
    post(database, org, "old")
    age(copy)
    with database.tenant(org) as session:
        first = IdempotencyKeys(session, org, "ann")
        first.begin("new-1", HASH)
        first.keep("new-1", HASH, ANSWER)
        post(database, org, "new-2")
        assert kept(copy) == ["new-2", "old"], "the first has not committed"
    assert kept(copy) == ["new-1", "new-2"]
