"""From an accepted definition to "live": compile, phases, acknowledgements, refusals, on a real PostgreSQL."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateway.proto import link_pb2 as link
from isthmus.errors import Denied
from isthmus.model.document import Key
from isthmus.store.database import Database
from isthmus.store.revisions import ANY, Change, Revisions
from isthmus.values import AgentId
from isthmus.xds.snapshot import Manifest
from tests import build
from tests.contract.workers.region import KEY, Region
from tests.databases import Copy

FIRST = build.mesh(targets={"blue": 50, "green": 50})
SECOND = build.mesh(targets={"blue": 90, "green": 10})


@pytest.fixture
async def region(copy: Copy, database: Database, org: UUID) -> Region:
    """Two live clusters and an empty mesh."""
    made = Region.of(copy, database, org)
    await made.connect()
    return made


async def test_a_first_definition_comes_live_in_phases_over_all_clusters(region: Region) -> None:
    number = await region.bring_live(FIRST)
    assert region.status(number) == "live"
    assert region.pointers() == (1, 1, 1)
    assert region.offered(number) == [("expand", "east"), ("expand", "west"), ("shift", "east"), ("shift", "west")]


async def test_a_changed_weight_is_offered_in_shift_alone_and_only_where_it_changes_something(region: Region) -> None:
    await region.bring_live(FIRST)
    number = await region.bring_live(SECOND)
    assert region.status(number) == "live"
    assert {phase for phase, _ in region.offered(number)} == {"shift"}


async def test_a_change_that_compiles_to_the_same_offers_nothing_and_is_live_at_once(region: Region) -> None:
    await region.bring_live(FIRST)
    number = region.accept(build.mesh(targets={"blue": 50, "green": 50}, spec={"egressFilter": {"type": "DROP_ALL"}}))
    region.compile()
    region.step()
    assert region.offered(number) == []
    assert region.status(number) == "live"


async def test_the_newest_head_is_compiled_and_those_between_are_superseded(region: Region) -> None:
    numbers = [region.accept(FIRST), region.accept(SECOND), region.accept(FIRST)]
    assert region.compile() == numbers[-1]
    assert [region.status(n) for n in numbers] == ["superseded", "superseded", "rolling_out"]
    assert region.compile() is None


async def test_a_straggler_holds_the_rollout_up_and_is_told_by_name(region: Region) -> None:
    number = region.accept(FIRST)
    region.compile()
    region.step()
    await region.answer("east")
    await region.answer("west", connected=2, acked=1)
    region.step()
    assert {phase for phase, _ in region.offered(number)} == {"expand"}
    await region.answer("west", connected=2)
    region.step()
    assert ("shift", "west") in region.offered(number)


async def test_a_refusal_halts_and_gives_every_cluster_back_what_it_had(region: Region) -> None:
    await region.bring_live(FIRST)
    before = {c: (await region.feed.offers(region.agent(c)))[0].position.version for c in region.clusters}
    number = region.accept(SECOND)
    region.compile()
    region.step()
    await region.answer("east", acked=0, nack="Sum of weights must be greater than 0")
    region.step()
    assert region.status(number) == "halted"
    after = {c: (await region.feed.offers(region.agent(c)))[0].position.version for c in region.clusters}
    assert after == before
    assert region.pointers() == (2, 2, 1)


async def test_a_cluster_that_is_away_is_deferred_and_catches_up(copy: Copy, database: Database, org: UUID) -> None:
    region = Region.of(copy, database, org)
    await region.connect("east")
    number = await region.bring_live(FIRST)
    assert region.status(number) == "partly_live"
    assert region.pointers()[2] == 0
    await region.connect("west")
    await region.answer("west")
    region.step()
    assert region.status(number) == "live"
    assert region.pointers()[2] == number


async def test_a_detached_cluster_is_offered_nothing_at_all(region: Region) -> None:
    await region.bring_live(FIRST)
    with region.database.tenant(region.org) as session:
        change = Change("delete", Key("Attachment", "west"), ANY)
        Revisions(session, region.org, region.mesh).apply([change], author="t", reason="t", now=datetime.now(UTC))
    region.compile()
    for _ in range(3):
        region.step()
        for cluster in region.clusters:
            await region.answer(cluster)
    (offer,) = await region.feed.offers(region.agent("west"))
    assert Manifest.parse(offer.manifest).views == {}


async def test_imports_hold_what_the_others_have_inside_their_placements(region: Region) -> None:
    await region.bring_live(FIRST)
    slot = link.Slot(slot="s", health="healthy", weight=1, ports=[8080])
    nodes = [link.Exported(node=n, count=1, slots=[slot]) for n in ("blue", "green")]
    placed = build.mesh(build.placement("blue", "east"), targets={"blue": 50, "green": 50})
    await region.bring_live(placed)
    said = link.Summary(mesh=str(region.mesh), generation=1, gateways=["127.0.0.9:443"], nodes=nodes)
    await region.post("west", link.FromAgent(summary=said))
    (imports,) = await region.feed.imports(region.agent("east"))
    (peer,) = imports.peers
    assert (peer.cluster, list(peer.gateways)) == ("west", ["127.0.0.9:443"])
    assert [n.node for n in peer.nodes] == ["green"]
    (own,) = await region.feed.imports(region.agent("west"))
    assert [n.node for p in own.peers for n in p.nodes] == []


async def test_an_older_copy_of_a_replica_is_fenced(region: Region) -> None:
    old = region.epochs["east"]
    await region.feed.admit(region.agent("east"), KEY, link.Hello(), "hub")
    with pytest.raises(Denied, match="fenced"):
        await region.post("east", link.FromAgent(heartbeat=link.Heartbeat()))
    with pytest.raises(Denied, match="fenced"):
        await region.feed.admit(region.agent("east"), KEY, link.Hello(epoch=old), "hub")


async def test_another_orgs_agent_reads_nothing_of_ours(region: Region, other_org: UUID) -> None:
    await region.bring_live(FIRST)
    ours = (await region.feed.offers(region.agent("east")))[0]
    versions = sorted(Manifest.parse(ours.manifest).versions())
    thief = AgentId(other_org, region.clusters["east"], "a")
    assert await region.feed.offers(thief) == []
    assert await region.feed.bodies(thief, versions) == {}
    with pytest.raises(Denied):
        await region.feed.trust(thief)
    assert len(await region.feed.bodies(region.agent("east"), versions)) == len(versions)
