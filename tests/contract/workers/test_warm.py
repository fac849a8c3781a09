"""A worker that kept its compilers stores the same snapshots as one that has just started."""

import gc
import weakref
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from isthmus.model.definition import Definition
from isthmus.model.document import Document
from isthmus.model.key import Key
from isthmus.store import tables
from isthmus.store.changes import ANY, Change
from isthmus.store.database import Database
from isthmus.store.revisions import Revisions
from isthmus.store.rollouts import Rollouts
from isthmus.values import BASE_DOMAIN
from isthmus.xds.compile import Compiler, Ground
from isthmus.xds.snapshot import Manifest
from tests import build
from tests.contract.workers.region import Region
from tests.databases import Copy
from tests.golden.cases import surroundings
from workers.compile import bring_to_head
from workers.warm import Kept, Warm


@pytest.fixture
def region(copy: Copy, database: Database, org: UUID) -> Region:
    return Region.of(copy, database, org)


def shares(blue: int) -> Definition:
    return build.mesh(targets={"blue": blue, "green": 100 - blue})


def cold(region: Region) -> Region:
    """The same as another process that has compiled nothing yet."""
    return replace(region, warm=Warm())


def planned(region: Region, number: int) -> Mapping[str, str]:
    """The version that each cluster is to reach."""
    with region.database.tenant(region.org) as session:
        rollout = Rollouts(session, region.org, region.mesh).get(number)
        assert rollout is not None
        return {cluster: line["after"] for cluster, line in rollout.plan["clusters"].items()}


def readable(region: Region, number: int) -> bool:
    """Whether every body of what was compiled is stored."""
    with region.database.tenant(region.org) as session:
        manifests = session.scalars(
            select(tables.Snapshot.manifest).where(tables.Snapshot.version.in_(planned(region, number).values()))
        ).all()
        wanted = {v for text in manifests for v in Manifest.parse(text).versions()}
        return bool(wanted) and wanted <= set(session.scalars(select(tables.ResourceBody.version)))


def change(region: Region, *changes: Change) -> int:
    with region.database.tenant(region.org) as session:
        revisions = Revisions(session, region.org, region.mesh)
        return revisions.apply(list(changes), author="t", reason="t", now=datetime.now(UTC)).revision


def put(document: Document) -> Change:
    return Change("put", document)


EDITS = [
    [put(build.route(targets={"blue": 1, "green": 2}))],
    [put(build.node("late", port=9000)), put(build.service("late.local", node="late"))],
    [put(build.node("front", backends=[build.SERVICE, "late.local"]))],
    [put(build.placement("blue", "west"))],
    [Change("delete", Key("VirtualService", "late.local"), ANY)],
    [Change("delete", Key("Binding", "blue"), ANY)],
]


def test_warm_and_cold_workers_store_the_same(region: Region) -> None:
    region.accept(shares(50))
    region.compile()
    for edit in EDITS:
        number = change(region, *edit)
        assert region.compile() == number
        warm = planned(region, number)
        with region.database.tenant(region.org) as session:
            definition = Revisions(session, region.org, region.mesh).definition(number)
        again = cold(region)
        change(region, put(build.gateway("other", port=7000)))
        again.compile()
        back = change(region, Change("delete", Key("VirtualGateway", "other"), ANY))
        again.compile()
        assert planned(region, back) == warm, definition
        assert readable(region, number)


def test_a_worker_that_was_overtaken_catches_up(region: Region) -> None:
    other = cold(region)
    region.accept(shares(50))
    region.compile()
    region.accept(shares(60))
    other.compile()
    region.accept(shares(70))
    other.compile()
    number = region.accept(shares(80))
    region.compile()
    found = planned(region, number)
    region.accept(shares(10))
    other.compile()
    again = region.accept(shares(80))
    cold(region).compile()
    assert planned(region, again) == found
    assert readable(region, number)


def test_a_change_of_the_ground_begins_anew(region: Region) -> None:
    region.accept(shares(50))
    region.compile()
    before = region.warm.take(region.mesh)
    assert before is not None
    region.warm.keep(region.mesh, before)
    strict = build.mesh(targets={"blue": 50, "green": 50}, settings={"transport": "strict"})
    number = region.accept(strict)
    region.compile()
    after = region.warm.take(region.mesh)
    assert after is not None
    assert after.compilers["east"] is not before.compilers["east"]
    assert planned(region, number).keys() == {str(c) for c in region.clusters.values()}


def test_only_what_was_changed_is_read(region: Region) -> None:
    region.accept(shares(50))
    region.compile()
    kept = region.warm.take(region.mesh)
    assert kept is not None
    region.warm.keep(region.mesh, kept)
    change(region, *EDITS[0])
    region.compile()
    after = region.warm.take(region.mesh)
    assert after is not None
    assert after.compilers["east"] is kept.compilers["east"]


def test_what_was_not_committed_is_not_kept(region: Region) -> None:
    region.accept(shares(50))
    region.compile()
    region.accept(shares(60))

    def fails(session: Session) -> None:
        bring_to_head(session, region.org, region.mesh, BASE_DOMAIN, datetime.now(UTC), region.warm)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError), region.database.tenant(region.org) as session:
        fails(session)
    assert region.warm.take(region.mesh) is None
    number = region.pointers()[0]
    region.compile()
    assert readable(region, number)


def test_the_meshes_used_longest_ago_go_first() -> None:
    warm, meshes = Warm(most=2), [UUID(int=i) for i in range(3)]
    for mesh in meshes:
        warm.keep(mesh, _kept())
    assert [mesh for mesh in meshes if warm.take(mesh)] == meshes[1:]


def _kept(definition: Definition | None = None) -> Kept:
    made = definition or build.definition(name="empty")
    ground = Ground.of(made, surroundings())
    compiler = Compiler(ground, "east")
    compiler.change(made.documents, {})
    return Kept(1, ground, {"east": compiler})


def test_a_compiler_that_is_closed_is_gone_without_a_search_for_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        kept = _kept(build.mesh())
        compiler = weakref.ref(kept.compilers["east"])
        kept.close()
        del kept
        assert compiler() is None
    finally:
        gc.enable()


def test_what_is_overtaken_or_too_much_is_closed() -> None:
    warm, listed = Warm(most=1), [_kept(build.mesh()) for _ in range(3)]
    for mesh, kept in zip((UUID(int=0), UUID(int=0), UUID(int=1)), listed, strict=True):
        warm.keep(mesh, kept)
    assert [bool(each.compilers["east"].held) for each in listed] == [False, False, True]
