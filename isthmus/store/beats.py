"""beats: when each of our periodic or round-trip checks last ran, in database time; no tenant's."""

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.store import tables
from isthmus.store.database import Database


def beat(database: Database, name: str) -> None:
    """`name` ran now."""
    now = {"at": func.clock_timestamp()}
    statement = insert(tables.Beat).values(name=name, **now)
    with database.system() as session:
        session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=now))


def ages(session: Session) -> Mapping[str, float]:
    """How many seconds ago each ran."""
    row = tables.Beat
    age = func.extract("epoch", func.clock_timestamp() - row.at)
    return {name: float(seconds) for name, seconds in session.execute(select(row.name, age))}
