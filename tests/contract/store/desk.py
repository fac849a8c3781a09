"""Promises of one org as a worker handles them, a transaction a call; and the relay's side."""

from datetime import datetime
from uuid import UUID

from psycopg import sql

from isthmus.store import tables
from isthmus.store.database import Database
from isthmus.store.promises import Claimed, Due, Promises, due, next_due
from tests.databases import Copy

LEASE = 30.0


class Desk:
    """Where one org's promises are made, sent, claimed and kept."""

    def __init__(self, database: Database, copy: Copy, org: UUID) -> None:
        self.database, self.copy, self.org = database, copy, org

    def make(self, task: str = "compile", *, once: str | None = None, due_at: datetime | None = None) -> None:
        with self.database.tenant(self.org) as session:
            Promises(session, self.org).make(task, {"mesh": "m"}, once=once, due_at=due_at)

    def claim(self, promise: int, lease: float = LEASE) -> Claimed | None:
        with self.database.tenant(self.org) as session:
            return Promises(session, self.org).claim(promise, lease)

    def done(self, promise: int, generation: int) -> None:
        with self.database.tenant(self.org) as session:
            Promises(session, self.org).done(promise, generation)

    def effect(self, promise: int, generation: int) -> None:
        """Leave something and keep the promise, in one transaction."""
        with self.database.tenant(self.org) as session:
            Promises(session, self.org).make("effect", {})
            Promises(session, self.org).done(promise, generation)

    def send(self, most: int = 100) -> list[Due]:
        with self.database.system() as session:
            return sorted(due(session, most), key=lambda promise: promise.id)

    def next_due(self) -> float | None:
        with self.database.system() as session:
            return next_due(session)

    def all(self) -> list[tables.Promise]:
        with self.database.tenant(self.org) as session:
            return session.query(tables.Promise).order_by(tables.Promise.id).all()

    def shift(self, seconds: float) -> None:
        """Time passes in the database: every time in it is that much longer ago."""
        names = ("due_at", "sent_at", "claimed_at", "lease_until")
        with self.copy.connect() as admin:
            for name in map(sql.Identifier, names):
                shifted = sql.SQL("UPDATE promises SET {} = {} - %s * interval '1 s'").format(name, name)
                admin.execute(shifted, [seconds])
