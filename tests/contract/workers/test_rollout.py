"""From an accepted definition to "live": compile, phases, acknowledgements, refusals, on a real PostgreSQL."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from envoy.config.route.v3 import route_pb2

from gateway.proto import link_pb2 as link
from isthmus.errors import Denied
from isthmus.model.document import Key
from isthmus.store.database import Database
from isthmus.store.revisions import ANY, Change, Revisions
from isthmus.values import AgentId
from isthmus.xds.names import MESH_SERVICE_HEADER
from isthmus.xds.snapshot import Manifest
from tests import build
from tests.contract.workers.region import KEY, Region
from tests.databases import Copy

FIRST = build.mesh(targets={"blue": 50, "green": 50})
SECOND = build.mesh(targets={"blue": 90, "green": 10})
SHAPES = [build.node("round"), build.service("shapes.local", node="round")]
TO_COLORS = build.mesh(*SHAPES)
TO_SHAPES = build.mesh(*SHAPES, build.gateway_route(service="shapes.local"))


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


async def test_a_gateway_route_to_another_service_is_offered_with_both_on_the_way(region: Region) -> None:
    await region.bring_live(TO_COLORS)
    number = region.accept(TO_SHAPES)
    region.compile()
    known = []
    for _ in range(3):
        region.step()
        known.append(await called_by_gateway(region, "east"))
        for cluster in region.clusters:
            await region.answer(cluster)
    region.step()
    assert known == [{build.SERVICE, "shapes.local"}, {"shapes.local", build.SERVICE}, {"shapes.local"}]
    assert region.offered(number) == sorted((p, c) for p in ("expand", "shift", "contract") for c in region.clusters)
    assert region.status(number) == "live"


async def test_one_that_is_refused_on_the_way_goes_back_to_what_was_there(region: Region) -> None:
    await region.bring_live(TO_COLORS)
    before = (await region.feed.offers(region.agent("east")))[0].position.version
    region.accept(TO_SHAPES)
    region.compile()
    region.step()
    await region.answer("east")
    await region.answer("west")
    region.step()
    await region.answer("east", acked=0, nack="no")
    region.step()
    assert (await region.feed.offers(region.agent("east")))[0].position.version == before


async def test_a_phase_that_was_overtaken_before_all_had_answered_is_waited_for_where_callers_move(
    region: Region,
) -> None:
    """Else the next revision, which expands to the same, would move callers to what a straggler does not have yet."""
    await region.bring_live(TO_COLORS)
    region.accept(TO_SHAPES)
    region.compile()
    region.step()
    number = region.accept(build.mesh(*SHAPES, build.gateway_route(service="shapes.local", prefix="/shapes")))
    region.compile()
    region.step()
    assert region.offered(number) == [("expand", "east"), ("expand", "west")]
    for cluster in region.clusters:
        await region.answer(cluster)
    region.step()
    assert {phase for phase, _ in region.offered(number)} == {"expand", "shift"}


async def test_one_that_was_overtaken_and_moves_nobody_is_not(region: Region) -> None:
    """Else what is stuck could not be taken back."""
    await region.bring_live(TO_COLORS)
    region.accept(TO_SHAPES)
    region.compile()
    region.step()
    number = region.accept(TO_COLORS)
    region.compile()
    region.step()
    assert region.offered(number) == [("contract", "east"), ("contract", "west")]
    assert await called_by_gateway(region, "east") == {build.SERVICE}


async def called_by_gateway(region: Region, cluster: str) -> set[str]:
    """The services that a gateway there knows by what it is offered now, all of which its agent can fetch."""
    (offer,) = await region.feed.offers(region.agent(cluster))
    manifest = Manifest.parse(offer.manifest)
    bodies = await region.feed.bodies(region.agent(cluster), sorted(manifest.versions()))
    assert bodies.keys() == manifest.versions()
    (table,) = (r for r in manifest.refs(f"gateway/{build.GATEWAY}@1.40") if (r.type, r.name) == ("rds", "outbound"))
    hosts = route_pb2.RouteConfiguration.FromString(bodies[table.version].body).virtual_hosts
    conditions = [header for host in hosts for route in host.routes for header in route.match.headers]
    return {h.string_match.exact for h in conditions if h.name == MESH_SERVICE_HEADER}


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
