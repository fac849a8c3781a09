"""The one place where a transaction is bound to its org; without one there is no session on tenants' tables.

Stores are written once, as plain code over a `Session`. Workers, relay and hub run them with psycopg, the API through
`run_sync` on asyncpg (0.61 against 0.97 ms for such a transaction, platform.md §3). READ COMMITTED is relied on: who
has waited for a lock must then see what the one before committed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, UOWTransaction, sessionmaker

from isthmus.store import tables

T = TypeVar("T")

SHARED = frozenset({tables.Beat.__tablename__, tables.Hub.__tablename__, tables.SpentSequence.__tablename__})
"""The tables that are no tenant's: all that a session without an org may name."""
ORG = "org_id"


class OrgSession(Session):
    """Refuses to begin a transaction that does not say whose it is."""


class LookupSession(Session):
    """Has no org: for the functions of the closed list and the shared tables. Row-level security shows it nothing else.

    `become` binds what remains of its transaction to the org that a look-up found.
    """


@event.listens_for(OrgSession, "after_begin")
def _bind(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    org = session.info.get(ORG)
    if org is None:
        raise RuntimeError("no org on this session")
    _set_org(connection, org)


def _set_org(connection: Connection, org: UUID) -> None:
    """For this transaction only. SET LOCAL takes no parameters, hence the function."""
    connection.execute(text("SELECT set_config('app.org_id', :org, true)"), {"org": str(org)})


def become(session: Session, org: UUID) -> None:
    """Bind the rest of a look-up's transaction to the org it found."""
    assert isinstance(session, LookupSession), "any other session has its org from the start"
    session.info[ORG] = org
    _set_org(session.connection(), org)


@event.listens_for(LookupSession, "do_orm_execute")
def _only_shared(state: ORMExecuteState) -> None:
    _refuse(state.session, {mapper.class_ for mapper in state.all_mappers})


@event.listens_for(LookupSession, "before_flush")
def _only_shared_rows(session: Session, _flush: UOWTransaction, _instances: object) -> None:
    _refuse(session, {type(row) for row in (*session.new, *session.dirty, *session.deleted)})


@event.listens_for(LookupSession, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    """The setting ends with the outermost transaction, and so does what the session knows of it."""
    if transaction.parent is None:
        session.info.pop(ORG, None)


def _refuse(session: Session, classes: set[type[tables.Base]]) -> None:
    """RLS would answer with silence, which is harder to find than an error."""
    foreign = {c.__tablename__ for c in classes} - SHARED
    if foreign and session.info.get(ORG) is None:
        raise RuntimeError(f"no org on this session, and {', '.join(sorted(foreign))} belong to orgs")


class Database:
    """Transactions with psycopg, for workers, relay and hub. Safe to share between threads."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        """`url` is SQLAlchemy's for psycopg; beyond `pool_size` connections callers wait."""
        self._engine = create_engine(url, pool_size=pool_size, max_overflow=0, pool_pre_ping=True)
        self._tenant = sessionmaker(self._engine, class_=OrgSession, expire_on_commit=False)
        self._system = sessionmaker(self._engine, class_=LookupSession, expire_on_commit=False)

    @contextmanager
    def tenant(self, org: UUID) -> Iterator[Session]:
        """One transaction of an org: committed at the end, rolled back if anything raises."""
        with self._tenant(info={ORG: org}) as session, session.begin():
            yield session

    @contextmanager
    def system(self) -> Iterator[Session]:
        """One transaction without an org (`LookupSession`)."""
        with self._system() as session, session.begin():
            yield session

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()


class AsyncDatabase:
    """Transactions with asyncpg, for the API. Belongs to the event loop that first uses it.

    Connections are not asked whether they still live before they are used, which would cost every request a round trip.
    Where the first statement finds one dead, nothing was done yet, and the transaction is begun again on another; the
    pool then has new ones only.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        """`url` may be psycopg's form."""
        target = make_url(url).set(drivername="postgresql+asyncpg")
        self._engine = create_async_engine(target, pool_size=pool_size, max_overflow=0)
        self._tenant = async_sessionmaker(self._engine, sync_session_class=OrgSession, expire_on_commit=False)
        self._system = async_sessionmaker(self._engine, sync_session_class=LookupSession, expire_on_commit=False)

    async def run(self, org: UUID, work: Callable[[Session], T]) -> T:
        """`work` in one transaction of an org: committed when it returns, rolled back if it raises."""
        return await self._once(lambda: self._tenant(info={ORG: org}), lambda _: None, work)

    async def lookup(self, work: Callable[[Session], T]) -> T:
        """`work` in one transaction without an org (`LookupSession`)."""
        return await self._once(self._system, lambda session: session.execute(text("SELECT 1")), work)

    async def _once(
        self, session: Callable[[], AsyncSession], knock: Callable[[Session], object], work: Callable[[Session], T]
    ) -> T:
        """`work` in a session. `knock` is its first statement; the hook of an org's session has one already."""
        asked = False

        def ask(inner: Session) -> T:
            nonlocal asked
            inner.connection()
            knock(inner)
            asked = True
            return work(inner)

        try:
            return await self._in(session(), ask)
        except DBAPIError as error:
            if asked or not error.connection_invalidated:
                raise
        return await self._in(session(), work)

    async def _in(self, session: AsyncSession, work: Callable[[Session], T]) -> T:
        async with session, session.begin():
            return await session.run_sync(work)

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()
