"""Access keys: a secret that opens for its own org and key only, and a key that signs only while it is active."""

import re
import string
from uuid import UUID

import pytest
from sqlalchemy import event

from isthmus.adapters.sealer import Sealer, Unsealable
from isthmus.errors import NotFound
from isthmus.store import access_keys
from isthmus.store.access_keys import AccessKeys, Made, Signer, place
from isthmus.store.accounts import Accounts
from isthmus.store.database import Database
from tests.conftest import ACCOUNT, OTHER_ACCOUNT
from tests.databases import Copy

SEALER = Sealer(bytes(range(32)))


def create(database: Database, org: UUID, account: str = ACCOUNT) -> Made:
    with database.tenant(org) as session:
        return AccessKeys(session, org, SEALER).create(account)


def signer(database: Database, key: str) -> Signer | None:
    with database.system() as session:
        return access_keys.verify(session, key, SEALER)


def test_an_access_key_gives_back_the_secret_it_was_made_with(database: Database, org: UUID, copy: Copy) -> None:
    key = create(database, org)
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key.id)
    assert len(key.secret) == 40
    assert set(key.secret) <= set(string.ascii_letters + string.digits + "+/")
    assert signer(database, key.id) == Signer(org, ACCOUNT, key.secret)
    with copy.connect() as admin:
        row = admin.execute("SELECT sealed_secret FROM access_keys").fetchone()
    assert row
    assert key.secret.encode() not in row[0]


def test_a_key_signs_while_it_is_active(database: Database, org: UUID) -> None:
    first, second = create(database, org), create(database, org)
    with database.tenant(org) as session:
        assert AccessKeys(session, org, SEALER).deactivate(first.id).active is False
    assert signer(database, first.id) is None
    assert signer(database, second.id)
    with database.tenant(org) as session:
        assert AccessKeys(session, org, SEALER).activate(first.id).active is True
    assert signer(database, first.id) == Signer(org, ACCOUNT, first.secret)


def test_a_deleted_key_is_gone_even_if_it_was_the_last(database: Database, org: UUID) -> None:
    key = create(database, org)
    with database.tenant(org) as session:
        keys = AccessKeys(session, org, SEALER)
        keys.delete(key.id)
        assert keys.list(None, 10) == []
    assert signer(database, key.id) is None


@pytest.mark.parametrize("doing", ["get", "activate", "deactivate", "delete"])
def test_what_is_not_the_orgs_is_not_there(database: Database, org: UUID, other_org: UUID, doing: str) -> None:
    theirs = create(database, other_org, OTHER_ACCOUNT)
    told = set()
    for key in (theirs.id, "AKIAX", ""):
        with database.tenant(org) as session, pytest.raises(NotFound) as refused:
            getattr(AccessKeys(session, org, SEALER), doing)(key)
        told.add(str(refused.value))
    assert len(told) == 1
    assert signer(database, theirs.id)


def test_a_key_acts_for_an_account_of_its_org(database: Database, org: UUID, other_org: UUID) -> None:
    with database.tenant(org) as session:
        Accounts(session, org).create("second", "333333333333")
    assert signer(database, create(database, org, "333333333333").id).account == "333333333333"  # type: ignore[union-attr]
    for account in (OTHER_ACCOUNT, "444444444444"):
        with pytest.raises(NotFound):
            create(database, org, account)


def test_keys_are_listed_page_by_page_oldest_first(database: Database, org: UUID, other_org: UUID, copy: Copy) -> None:
    made = [create(database, org).id for _ in range(5)]
    create(database, other_org, OTHER_ACCOUNT)
    with copy.connect() as admin:
        admin.execute("UPDATE access_keys SET created_at = now() WHERE id = ANY(%s)", [made[3:]])
    expected = made[:3] + sorted(made[3:])
    with database.tenant(org) as session:
        keys = AccessKeys(session, org, SEALER)
        first = keys.list(None, 2)
        keys.delete(first[-1].id)  # where a page ended may be gone when the next is asked for
        pages = [first, keys.list(place(first[-1]), 2)]
        pages.append(keys.list(place(pages[1][-1]), 2))
        assert [row.id for page in pages for row in page] == expected


def test_a_secret_that_was_moved_to_another_key_or_org_does_not_open(
    database: Database, org: UUID, other_org: UUID, copy: Copy
) -> None:
    first, second, theirs = create(database, org), create(database, org), create(database, other_org, OTHER_ACCOUNT)
    with copy.connect() as admin:
        for target in (second, theirs):
            admin.execute(
                "UPDATE access_keys a SET sealed_secret = b.sealed_secret FROM access_keys b"
                " WHERE a.id = %s AND b.id = %s",
                [target.id, first.id],
            )
        admin.execute("DELETE FROM access_keys WHERE id = %s", [first.id])
        admin.execute("UPDATE access_keys SET id = %s WHERE id = %s", [first.id, theirs.id])
    for moved in (second, first):
        with pytest.raises(Unsealable):
            signer(database, moved.id)


@pytest.mark.parametrize(
    "meanwhile", ["DELETE FROM access_keys", "UPDATE access_keys SET active = false"], ids=["deleted", "deactivated"]
)
def test_a_key_that_goes_while_it_is_looked_up_signs_nothing(
    database: Database, org: UUID, copy: Copy, meanwhile: str
) -> None:
    key = create(database, org)

    def found(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        if "org_of_access_key" in sql:
            with copy.connect() as admin:
                admin.execute(meanwhile.encode())

    with database.system() as session:
        event.listen(session.connection(), "after_cursor_execute", found)
        assert access_keys.verify(session, key.id, SEALER) is None
