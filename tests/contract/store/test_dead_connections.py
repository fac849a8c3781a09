"""The API's pool asks nobody whether a connection lives: one that died is replaced before anything was done."""

from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from isthmus.store import tables
from isthmus.store.database import AsyncDatabase
from tests.databases import Copy


def kill(copy: Copy) -> None:
    """End every connection of the application."""
    with copy.connect() as admin:
        ended = admin.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'isthmus_app'"
        ).fetchone()
    assert ended
    assert ended[0] > 0


async def test_a_transaction_begins_again_on_another(copy: Copy, async_database: AsyncDatabase, org: UUID) -> None:
    slug = select(tables.Org.slug)
    assert await async_database.run(org, lambda session: session.scalar(slug)) == "acme"
    kill(copy)
    assert await async_database.run(org, lambda session: session.scalar(slug)) == "acme"
    kill(copy)
    assert await async_database.lookup(lambda session: session.scalar(text("SELECT 1"))) == 1


async def test_what_was_under_way_is_not_done_twice(copy: Copy, async_database: AsyncDatabase, org: UUID) -> None:
    begun = 0

    def work(session: Session) -> None:
        nonlocal begun
        begun += 1
        kill(copy)
        session.scalar(select(tables.Org.slug))

    with pytest.raises(DBAPIError):
        await async_database.run(org, work)
    assert begun == 1
