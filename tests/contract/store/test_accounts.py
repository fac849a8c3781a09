"""Accounts: 12 digits, one owner in the whole world, and an org's first stays its first."""

from uuid import UUID

import pytest
from sqlalchemy import insert

from isthmus.errors import NameTaken, NotFound
from isthmus.store import tables
from isthmus.store.accounts import Accounts
from isthmus.store.database import Database
from isthmus.store.orgs import bootstrap
from tests.conftest import ACCOUNT, OTHER_ACCOUNT
from tests.contract.store.conftest import at_once


def test_a_number_is_chosen_above_the_orgs_first(database: Database, org: UUID) -> None:
    with database.tenant(org) as session:
        accounts = Accounts(session, org)
        chosen = [accounts.create("team").id for _ in range(50)]
        assert all(number.isdecimal() and len(number) == 12 and number > ACCOUNT for number in chosen)
        assert len(set(chosen)) == 50
        assert accounts.default().id == ACCOUNT


def test_no_number_with_a_leading_zero_is_chosen(database: Database) -> None:
    low = bootstrap(database, "low", "Low", "000000000001")
    with database.tenant(low) as session:
        assert all(not Accounts(session, low).create("team").id.startswith("0") for _ in range(50))


def test_where_nothing_is_free_a_number_must_be_given(database: Database) -> None:
    last = bootstrap(database, "last", "Last", "999999999998")
    with database.tenant(last) as session:
        accounts = Accounts(session, last)
        assert accounts.create("the only one above").id == "999999999999"
        with pytest.raises(NameTaken, match="give one"):
            accounts.create("no more")
        assert accounts.create("below", "123456789012").name == "below"


@pytest.mark.parametrize("taken", [ACCOUNT, OTHER_ACCOUNT], ids=["ours", "another org's"])
def test_a_taken_number_does_not_tell_whose_it_is(database: Database, org: UUID, other_org: UUID, taken: str) -> None:
    with database.tenant(org) as session:
        with pytest.raises(NameTaken) as refused:
            Accounts(session, org).create("team", taken)
        assert str(refused.value) == f"the account {taken} is taken"
        session.execute(insert(tables.Account).values(org_id=org, id="777777777777", name="still usable"))


def test_of_two_that_want_a_number_one_gets_it(database: Database, org: UUID, other_org: UUID) -> None:
    outcomes: list[str] = []

    def want(whose: UUID) -> None:
        try:
            with database.tenant(whose) as session:
                Accounts(session, whose).create("team", "555555555555")
            outcomes.append("made")
        except NameTaken:
            outcomes.append("taken")

    at_once(*[lambda whose=whose: want(whose) for whose in (org, other_org)])
    assert sorted(outcomes) == ["made", "taken"]


def test_accounts_are_listed_page_by_page_by_number(database: Database, org: UUID, other_org: UUID) -> None:
    with database.tenant(org) as session:
        accounts = Accounts(session, org)
        for number in ("999999999999", "000000000000", "333333333333"):
            accounts.create("team", number)
        first = accounts.list(None, 2)
        assert [row.id for row in first] == ["000000000000", ACCOUNT]
        assert [row.id for row in accounts.list(first[-1].id, 2)] == ["333333333333", "999999999999"]
        assert accounts.get("333333333333").name == "team"
        for missing in (OTHER_ACCOUNT, "888888888888"):
            with pytest.raises(NotFound):
                accounts.get(missing)
