"""Two tenants in one database never meet, whatever the code above row-level security does."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Executable, event, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import NoResultFound, ProgrammingError
from sqlalchemy.orm import Session

from isthmus.errors import NotFound
from isthmus.model.document import Key
from isthmus.store import hubs, tables
from isthmus.store.accounts import Accounts
from isthmus.store.beats import ages, beat
from isthmus.store.clusters import Clusters
from isthmus.store.database import AsyncDatabase, Database, OrgSession, become
from isthmus.store.meshes import Meshes
from isthmus.store.promises import Promises
from isthmus.store.revisions import Revisions
from isthmus.store.tokens import Tokens
from tests import build
from tests.conftest import ACCOUNT, OTHER_ACCOUNT
from tests.contract.store.conftest import REGION, START, Killed, dying, make_clusters, make_shop
from tests.databases import Copy


def test_a_session_that_does_not_say_whose_it_is_begins_nothing(database: Database) -> None:
    with database.system() as session:
        engine = session.get_bind()
    with OrgSession(engine) as nobodys, pytest.raises(RuntimeError, match="no org on this session"):
        nobodys.execute(text("SELECT 1"))


@pytest.mark.parametrize("statement", [select(tables.Org), update(tables.Promise).values(task="x")])
def test_a_session_without_an_org_may_not_name_a_tenants_table(database: Database, statement: Executable) -> None:
    with pytest.raises(RuntimeError, match="no org on this session"), database.system() as session:
        session.execute(statement)


def test_a_session_without_an_org_makes_no_row_of_a_tenant(database: Database) -> None:
    with pytest.raises(RuntimeError, match="no org on this session"), database.system() as session:
        session.execute(insert(tables.Org).values(id=uuid4(), slug="a", name="a"))
    with database.system() as session:
        session.add(tables.Org(id=uuid4(), slug="a", name="a"))
        with pytest.raises(RuntimeError, match="no org on this session"):
            session.flush()
        session.expunge_all()


def test_a_session_without_an_org_sees_nothing_behind_our_back_either(database: Database, org: UUID) -> None:
    with database.system() as session:
        assert session.scalar(text("SELECT count(*) FROM orgs")) == 0


def test_a_session_without_an_org_may_use_what_is_no_tenants(database: Database) -> None:
    beat(database, "relay")
    with database.system() as session:
        assert ages(session)["relay"] < 60
        hubs.announce(session, "hub-1", REGION, "127.0.0.1:1", "127.0.0.1:2")
        assert [hub.name for hub in hubs.fresh(session)] == ["hub-1"]


def test_a_look_up_that_became_its_tenant_is_nobody_again_afterwards(database: Database, org: UUID) -> None:
    with database.system() as session:
        become(session, org)
        assert session.get_one(tables.Org, org).slug == "acme"
        session.commit()
        with pytest.raises(RuntimeError, match="no org on this session"):
            session.execute(select(tables.Org))


def test_a_pooled_connection_keeps_nothing_of_the_tenant_before(copy: Copy, org: UUID) -> None:
    database = Database(copy.url, pool_size=1)
    with database.tenant(org) as session:
        assert session.scalar(text("SELECT count(*) FROM orgs")) == 1
    with database.system() as session:
        assert session.scalar(text("SELECT count(*) FROM orgs")) == 0
    database.close()


def test_a_savepoint_that_is_rolled_back_leaves_the_tenant_in_place(database: Database, org: UUID) -> None:
    with database.tenant(org) as session:
        session.begin_nested().rollback()
        assert session.scalars(select(tables.Org.id)).all() == [org]


def test_a_row_of_another_org_cannot_be_made_seen_changed_or_moved(
    database: Database, org: UUID, other_org: UUID
) -> None:
    theirs = {"org_id": other_org, "id": "333333333333", "name": "n"}
    with pytest.raises(ProgrammingError, match="row-level security"), database.tenant(org) as session:
        session.execute(insert(tables.Account).values(theirs))
    with database.tenant(org) as session:
        assert session.scalars(select(tables.Org.id)).all() == [org]
        assert session.execute(update(tables.Revision).values(author="x")).rowcount == 0  # type: ignore[attr-defined]
    with database.tenant(org) as session:
        Promises(session, org).make("ping", {})
    with pytest.raises(ProgrammingError, match="row-level security"), database.tenant(org) as session:
        session.execute(update(tables.Promise).values(org_id=other_org))


async def test_asyncpg_meets_the_same_wall(async_database: AsyncDatabase, org: UUID, other_org: UUID) -> None:
    def foreign(session: Session) -> None:
        session.execute(insert(tables.Account).values(org_id=other_org, id="333333333333", name="n"))

    with pytest.raises(ProgrammingError, match="row-level security"):
        await async_database.run(org, foreign)


async def test_400_sessions_of_two_tenants_at_once_are_never_mixed(copy: Copy, org: UUID, other_org: UUID) -> None:
    database = AsyncDatabase(copy.url, pool_size=8)

    def look(session: Session) -> list[str]:
        seen = list(session.scalars(select(tables.Account.id)))
        session.execute(text("SELECT pg_sleep(0.001)"))
        return seen + list(session.scalars(select(tables.Account.id)))

    tenants = [(org, ACCOUNT), (other_org, OTHER_ACCOUNT)] * 200
    seen = await asyncio.gather(*(database.run(tenant, look) for tenant, _ in tenants))
    await database.close()
    assert seen == [[account, account] for _, account in tenants]


def test_a_rolled_back_change_leaves_no_promise_and_no_revision(database: Database, org: UUID) -> None:
    shop = make_shop(database, org)
    with dying(), database.tenant(org) as session:
        Revisions(session, org, shop.id).replace(build.definition(), author="a", reason="r", now=START)
        raise Killed
    assert shop.promises() == []
    assert shop.revisions() == []
    assert shop.definition().documents == {}


Closing = Callable[["WithoutFilters"], "WithoutFilters"]


@pytest.fixture
def closing() -> Iterator[Closing]:
    """Closes what it was given."""
    with ExitStack() as stack:
        yield lambda made: stack.enter_context(contextlib.closing(made))


class WithoutFilters(Database):
    """The store with its first wall down: every comparison with an org that a store writes is taken out of its SQL."""

    FILTER = re.compile(r"(?:\w+\.)?\b(?:org_id|orgs\.id) = (?:%\(\w+\)s(?:::UUID)?|(?:\w+\.)org_id)")

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.taken_out = 0
        event.listen(self._engine, "before_cursor_execute", self._strip, retval=True)

    def _strip(self, _c: object, _cursor: object, sql: str, parameters: object, *_: object) -> tuple[str, object]:
        sql, count = self.FILTER.subn("true", sql)
        self.taken_out += count
        return sql, parameters


def everything(session: Session, org: UUID, mesh: UUID) -> dict[str, Any]:
    """What the stores show of one org when asked for all they have."""
    revisions = Revisions(session, org, mesh)
    return {
        "tokens": {token.name for token in Tokens(session, org).list()},
        "accounts": {account.id for account in Accounts(session, org).all()},
        "meshes": {(row.org_id, row.name) for row in Meshes(session, org).list(None, 100)},
        "clusters": {(row.org_id, row.name) for row in Clusters(session, org).list(None, 100)},
        "documents": {(key.text, str(d.tags)) for key, d in revisions.definition().documents.items()},
        "revisions": {(row.org_id, row.author) for row in revisions.revisions(None, 100)},
    }


def seed(database: Database, org: UUID, account: str, canary: str) -> UUID:
    """The same names in both orgs; the canary tells whose a thing is."""
    make_clusters(database, org, "east", "west")
    shop = make_shop(database, org, account)
    mesh = build.mesh(build.node("blue", tags={"canary": canary}))
    with database.tenant(org) as session:
        Revisions(session, org, shop.id).replace(mesh, author=canary, reason="", now=START)
        Tokens(session, org).create(canary)
    return shop.id


def test_with_the_stores_own_filters_off_row_level_security_alone_holds(
    copy: Copy, database: Database, org: UUID, other_org: UUID, closing: Closing
) -> None:
    mine, theirs = seed(database, org, ACCOUNT, "mine"), seed(database, other_org, OTHER_ACCOUNT, "theirs")
    with database.tenant(org) as session:
        honest = everything(session, org, mine)
    with database.tenant(other_org) as session:
        promised = session.scalars(select(tables.Promise.id)).one()
    unfiltered = closing(WithoutFilters(copy.url))
    with unfiltered.tenant(org) as session:
        assert everything(session, org, mine) == honest
    assert "theirs" not in str(honest)
    assert unfiltered.taken_out >= 6, "one a store at least"
    with unfiltered.tenant(org) as session, pytest.raises(NoResultFound):
        Revisions(session, org, theirs).definition()
    with unfiltered.tenant(org) as session, pytest.raises(NotFound):
        Revisions(session, org, theirs).apply([], author="", reason="", now=START)
    with unfiltered.tenant(org) as session:
        assert Revisions(session, other_org, theirs).get(Key("VirtualNode", "blue")) is None
        assert Revisions(session, other_org, theirs).revisions(None, 10) == []
        assert Clusters(session, other_org).get("east").org_id == org
        assert Promises(session, other_org).process(promised) is None


def test_the_sabotage_of_the_filters_is_real(
    copy: Copy, database: Database, org: UUID, other_org: UUID, closing: Closing
) -> None:
    """As a superuser, whom no policy stops, the same stripped store shows the other tenant's rows."""
    mine = seed(database, org, ACCOUNT, "mine")
    seed(database, other_org, OTHER_ACCOUNT, "theirs")
    unfiltered = closing(WithoutFilters(copy.admin_url))
    with unfiltered.tenant(org) as session:
        seen = everything(session, org, mine)
    assert seen["tokens"] == {"mine", "theirs"}
    assert {org_id for org_id, _ in seen["meshes"]} == {org, other_org}
    assert {org_id for org_id, _ in seen["clusters"]} == {org, other_org}
