"""A mesh on the real store, each call of which is a transaction of its own, at a time that the test sets."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest

from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key
from isthmus.store import tables
from isthmus.store.changes import Accepted, Change, Expected, Stored
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.meshes import Meshes
from isthmus.store.revisions import Revisions
from tests.conftest import ACCOUNT
from tests.contract.store.desk import Desk
from tests.databases import Copy

T = TypeVar("T")


class Killed(Exception):
    """Stands for a process that dies here: what it has not committed is gone."""


@contextmanager
def dying() -> Iterator[None]:
    """The process within is killed before it ends."""
    with pytest.raises(Killed):
        yield


def at_once(*works: Callable[[], object]) -> None:
    """Work in threads; returns when all have ended."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
REGION = "us-east-1"


def blocked(copy: Copy) -> int:
    """How many sessions wait for a lock."""
    with copy.connect() as admin:
        row = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone()
    assert row
    return int(row[0])


@dataclass
class Shop:
    """The mesh `shop` of an org, without a revision at first."""

    database: Database
    org: UUID
    id: UUID
    now: datetime = field(default=START)

    def later(self, seconds: float) -> None:
        """Time passes, for what takes `now`."""
        self.now += timedelta(seconds=seconds)

    def run(self, work: Callable[[Revisions], T]) -> T:
        """In one transaction."""
        with self.database.tenant(self.org) as session:
            return work(Revisions(session, self.org, self.id))

    def apply(self, *changes: Change, author: str = "ann", reason: str = "test") -> Accepted:
        return self.run(lambda r: r.apply(changes, author=author, reason=reason, now=self.now))

    def put(self, *documents: Document, expected: Expected | None = None) -> Accepted:
        return self.apply(*(Change("put", document, expected) for document in documents))

    def delete(self, *keys: Key, expected: Expected | None = None) -> Accepted:
        return self.apply(*(Change("delete", key, expected) for key in keys))

    def replace(self, definition: Definition, *, expected: Expected | None = None) -> Accepted:
        return self.run(lambda r: r.replace(definition, expected=expected, author="ann", reason="test", now=self.now))

    def end(self) -> int:
        with self.database.tenant(self.org) as session:
            mesh = session.get_one(tables.Mesh, (self.org, self.id))
            return Meshes(session, self.org).delete(mesh, author="ann", now=self.now)

    def get(self, key: Key, at: int | None = None) -> Stored | None:
        return self.run(lambda r: r.get(key, at))

    def definition(self, at: int | None = None) -> Definition:
        return self.run(lambda r: r.definition(at))

    def revisions(self) -> Sequence[tables.Revision]:
        return self.run(lambda r: r.revisions(None, 1000))

    def promises(self) -> list[tuple[str, dict[str, Any]]]:
        """What is promised and not kept."""
        row = tables.Promise
        with self.database.tenant(self.org) as session:
            unkept = session.query(row).filter(row.processed_at.is_(None)).order_by(row.id)
            return [(promise.task, promise.arguments) for promise in unkept]


def make_shop(database: Database, org: UUID, account: str = ACCOUNT, name: str = "shop") -> Shop:
    """A mesh in an org that has the account."""
    with database.tenant(org) as session:
        return Shop(database, org, Meshes(session, org).create(account, REGION, name, now=START).id)


def make_clusters(database: Database, org: UUID, *names: str) -> None:
    """Clusters, not attached to anything."""
    with database.tenant(org) as session:
        for name in names:
            Clusters(session, org).create(name, REGION, name, now=START)


@pytest.fixture
def shop(database: Database, org: UUID) -> Shop:
    """A mesh, and the clusters that `build.mesh` attaches."""
    make_clusters(database, org, "east", "west")
    return make_shop(database, org)


@pytest.fixture
def desk(database: Database, copy: Copy, org: UUID) -> Desk:
    """The org's promises."""
    return Desk(database, copy, org)
