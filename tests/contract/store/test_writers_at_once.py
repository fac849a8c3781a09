"""Writers at once, and how soon what they wrote is compiled."""

import json
import threading
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from sqlalchemy import event

from isthmus.errors import InUse, Invalid, StaleRevision
from isthmus.model.document import Key
from isthmus.store import tables
from isthmus.store.changes import At, Change
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.revisions import Revisions, quiet
from tests import build
from tests.contract.store.conftest import START, Shop, at_once, blocked
from tests.databases import Copy
from tests.until import until

BLUE, GREEN = Key("VirtualNode", "blue"), Key("VirtualNode", "green")
ROUTE = Key("Route", "all", build.ROUTER)


def test_racing_writers_make_a_row_of_revisions_without_gap_or_loss(copy: object, shop: Shop) -> None:
    names = [f"n{i}" for i in range(24)]
    at_once(*(partial(shop.put, build.node(name)) for name in names))
    assert sorted(row.number for row in shop.revisions()) == list(range(1, 25))
    assert sorted(key.name for key in shop.definition().documents) == sorted(names)


def test_of_racing_writers_with_the_same_precondition_one_wins(shop: Shop) -> None:
    shop.put(build.node("blue"))
    outcomes: list[int | None] = []

    def write(port: int) -> None:
        try:
            outcomes.append(shop.put(build.node("blue", port=port), expected=At(1)).revision)
        except StaleRevision as lost:
            outcomes.append(lost.current)

    at_once(*(partial(write, port) for port in range(1, 17)))
    assert outcomes == [2] * 16, "the winner's, and what the others are told"
    assert len(shop.revisions()) == 2


def test_a_cluster_that_is_being_attached_cannot_be_deleted_meanwhile(shop: Shop, copy: Copy) -> None:
    refused: list[InUse] = []

    def drop() -> None:
        try:
            with shop.database.tenant(shop.org) as session:
                Clusters(session, shop.org).delete("east")
        except InUse as error:
            refused.append(error)

    with shop.database.tenant(shop.org) as session:
        attach = Change("put", build.attachment("east"))
        Revisions(session, shop.org, shop.id).apply([attach], author="ann", reason="", now=START)
        dropper = threading.Thread(target=drop)
        dropper.start()
        until(lambda: blocked(copy))
    dropper.join()
    assert [error.users for error in refused] == [("Mesh shop",)]


def test_a_cluster_that_is_being_deleted_cannot_be_attached_meanwhile(shop: Shop, copy: Copy) -> None:
    refused: list[str] = []

    def attach() -> None:
        try:
            shop.put(build.attachment("east"))
        except Invalid as error:
            refused.extend(violation.code for violation in error.violations)

    with shop.database.tenant(shop.org) as session:
        Clusters(session, shop.org).delete("east")
        attacher = threading.Thread(target=attach)
        attacher.start()
        until(lambda: blocked(copy))
    attacher.join()
    assert refused == ["dangling_reference"]


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [(0, 1.0), (0.4, 0.6), (1, 0), (60, 0), (-30, 1.0)],
    ids=["at once after it", "soon after it", "a second later", "much later", "another process's clock is behind"],
)
def test_the_quiet_time(seconds: float, wait: float) -> None:
    assert quiet(START, START + timedelta(seconds=seconds)) == timedelta(seconds=wait)


def test_a_lone_change_is_compiled_at_once_and_a_second_soon_after_waits(shop: Shop) -> None:
    def waits() -> list[float]:
        row = tables.Promise
        with shop.database.tenant(shop.org) as session:
            found = session.query(row).filter(row.claimed_at.is_(None)).all()
            return [round((p.due_at - p.created_at).total_seconds(), 1) for p in found]

    def claim_all() -> None:
        with shop.database.tenant(shop.org) as session:
            session.query(tables.Promise).update({"claimed_at": START})

    shop.put(build.node("a"))
    assert waits() == [0.0]
    claim_all()
    shop.later(0.3)
    shop.put(build.node("b"))
    assert waits() == [0.7]
    shop.later(0.3)
    shop.put(build.node("c"))
    assert waits() == [0.7], "it is covered by the promise that is due sooner"
    claim_all()
    shop.later(5)
    shop.put(build.node("d"))
    assert waits() == [0.0]


def test_a_single_write_on_a_big_mesh_reads_only_what_stands_around_it(shop: Shop, database: Database) -> None:
    services = 1000
    documents = [build.node(f"n{i}") for i in range(services)]
    documents += [build.router(f"r{i}") for i in range(services)]
    documents += [build.route("all", router=f"r{i}", targets={f"n{i}": 1}) for i in range(services)]
    documents += [build.service(f"s{i}.local", router=f"r{i}") for i in range(services)]
    shop.replace(build.definition(*documents))
    statements: list[str] = []
    read: list[int] = []

    def listen(_connection: object, cursor: psycopg.Cursor, statement: str, *_: object) -> None:
        statements.append(statement)
        read.append(cursor.rowcount)

    with database.system() as session:
        engine = session.get_bind()
    event.listen(engine, "after_cursor_execute", listen)
    shop.put(build.route("all", router="r7", targets={"n7": 1, "n8": 1}))
    event.remove(engine, "after_cursor_execute", listen)
    assert len(statements) <= 14, json.dumps(statements, indent=1)
    assert max(read) <= 10
