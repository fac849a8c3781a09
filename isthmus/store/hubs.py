"""hubs: which hubs are up, where agents dial them, nearest first. No tenant's, so outside row-level security."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.store import tables

FRESH = timedelta(seconds=10)
"""A hub that has not announced itself for so long is not handed out to agents."""


def announce(session: Session, name: str, region: str, link: str, enrolment: str) -> None:
    """Note that a hub is up at these addresses (host:port)."""
    row = {"region": region, "link": link, "enrolment": enrolment, "seen_at": func.clock_timestamp()}
    statement = insert(tables.Hub).values(name=name, **row)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))


def fresh(session: Session, region: str = "") -> Sequence[tables.Hub]:
    """The hubs that are up, those of `region` first."""
    row = tables.Hub
    alive = row.seen_at > func.clock_timestamp() - FRESH
    return session.scalars(select(row).where(alive).order_by(row.region != region, row.name)).all()
