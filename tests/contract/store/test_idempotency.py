"""A POST that is sent again gets the answer that it got, and its effect happens once."""

from uuid import UUID

import pytest

from isthmus.errors import Invalid
from isthmus.store.database import Database
from isthmus.store.idempotency import Answer, IdempotencyKeys, InFlight
from isthmus.store.promises import Promises
from tests.contract.store.conftest import Killed, at_once, dying
from tests.databases import Copy

ANSWER = Answer(201, {"Location": "/v1/things/1"}, b'{"id": 1}')
HASH, OTHER_HASH = b"one request", b"another request"


def post(database: Database, org: UUID, key: str = "k", request: bytes = HASH, principal: str = "ann") -> Answer:
    """A request whose effect is a promise."""
    with database.tenant(org) as session:
        keys = IdempotencyKeys(session, org, principal)
        kept = keys.begin(key, request)
        if kept is not None:
            return kept
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


def test_an_answer_is_forgotten_after_seven_days(database: Database, copy: Copy, org: UUID) -> None:
    post(database, org, "a")
    post(database, org, "b")
    with copy.connect() as admin:
        admin.execute("UPDATE idempotency_keys SET created_at = now() - interval '7 days 1 s'")
    assert post(database, org, "a").status == 0
    with database.tenant(org) as session:
        IdempotencyKeys(session, org, "ann").sweep()
    with copy.connect() as admin:
        assert admin.execute("SELECT key FROM idempotency_keys").fetchall() == [("a",)]
