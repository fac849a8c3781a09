"""Hubs hear of what concerns their clusters when it commits, and of nothing that did not change."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from isthmus.store import tables
from isthmus.store.authorities import Authorities
from isthmus.store.certificates import IMPORTED, Certificates, Wanted
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.deliveries import Deliveries
from isthmus.store.topology import Topology
from isthmus.xds.snapshot import NOTHING, Phase
from tests.certificates import brought
from tests.contract.store.conftest import Killed, Shop, dying
from tests.databases import Copy, libpq

ANYBODY = str(UUID(int=0))
WHEN = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def east(shop: Shop) -> UUID:
    with shop.database.tenant(shop.org) as session:
        return Clusters(session, shop.org).get("east").id


def heard(hub: psycopg.Connection) -> list[str]:
    """What was notified until a mark that comes last: notifications keep the order of commits."""
    hub.execute("NOTIFY cluster, 'mark'")
    seen: list[str] = []
    for note in hub.notifies(timeout=5):
        if note.payload == "mark":
            return seen
        seen.append(note.payload)
    raise AssertionError("the mark was never heard")


def test_hubs_are_woken_by_deliveries_summaries_and_roots(
    copy: Copy, database: Database, shop: Shop, east: UUID
) -> None:
    with psycopg.connect(libpq(copy.url), autocommit=True) as hub:
        hub.execute("LISTEN cluster")
        with database.tenant(shop.org) as session:
            Deliveries(session, shop.org, shop.id).offer(east, 1, Phase.EXPAND, NOTHING)
            assert heard(hub) == [], "not before it commits"
        assert heard(hub) == [str(east)]
        for content, expected in (({"a": 1}, [ANYBODY]), ({"a": 1}, []), ({"a": 2}, [ANYBODY])):
            with database.tenant(shop.org) as session:
                Topology(session, shop.org).summarise(east, shop.id, 1, content)
            assert heard(hub) == expected
        with database.tenant(shop.org) as session:
            Authorities(session, shop.org).add(east, "east-1.acme", b"", b"", WHEN)
        assert heard(hub) == [ANYBODY]
        with dying(), database.tenant(shop.org) as session:
            Deliveries(session, shop.org, shop.id).offer(east, 2, Phase.EXPAND, NOTHING)
            raise Killed
        assert heard(hub) == []


def test_hubs_are_woken_by_certificates_that_clusters_can_have_and_by_no_others(
    copy: Copy, database: Database, shop: Shop
) -> None:
    with psycopg.connect(libpq(copy.url), autocommit=True) as hub:
        hub.execute("LISTEN cluster")
        with database.tenant(shop.org) as session:
            number = Certificates(session, shop.org).want(Wanted(IMPORTED, ("a.example",), "us-east-1")).id
        assert heard(hub) == [], "it has nothing to show yet"
        acts: list[tuple[Callable[[Certificates, tables.Certificate], object], list[str]]] = [
            (lambda c, row: c.show(row, brought(), b"sealed"), [ANYBODY]),
            (lambda c, row: c.fail(row, "no ink", WHEN), []),
            (lambda c, row: c.delete(row.arn), [ANYBODY]),
        ]
        for act, expected in acts:
            with database.tenant(shop.org) as session:
                certificates = Certificates(session, shop.org)
                row = certificates.locked(number)
                assert row is not None
                act(certificates, row)
            assert heard(hub) == expected
