"""One stream between an agent and the hub: what is sent, what is not, and who may speak at all."""

import asyncio
from datetime import UTC, datetime

import grpc
import pytest

from gateway.hub.stream import Timing
from gateway.proto import link_pb2 as link
from isthmus.pki import chain, csr, verify
from isthmus.values import AgentId
from isthmus.xds.snapshot import Resource, Snapshot, Type
from tests.contract.hub.conftest import Rig, new_key, new_link_ca, running, until
from tests.contract.hub.memory_feed import MemoryFeed

REFUSED = grpc.StatusCode.PERMISSION_DENIED


def snapshot(**bodies: str) -> Snapshot:
    """A snapshot with one view and these clusters."""
    return Snapshot.of({"node/web@1.40": ([Resource(Type.CLUSTER, n, b.encode()) for n, b in bodies.items()], [])})


def views(connected: int, acked: int, last: float = 0) -> link.Acks:
    view = link.ViewAcks(mesh="m", manifest="v", view="node/web@1.40", version="v", connected=connected, acked=acked)
    view.last_ack = last
    return link.Acks(views=[view])


async def test_welcome_says_who_the_agent_is(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    agent = await rig.connect(await rig.replica(place))
    assert agent.welcome == link.Welcome(
        features=["withdraw", "signatures", "certificates"],
        epoch=1,
        heartbeat_seconds=5,
        trust_domain="east-1.acme.isthmus.internal",
        cluster="east",
        region="us-east-1",
        org="acme",
    )


async def test_an_offer_comes_with_its_bodies_and_only_once(rig: Rig) -> None:
    place, shot = rig.feed.cluster("east", "acme"), snapshot(a="1", b="2")
    offered = rig.feed.offer(place, "m", shot, revision=7)
    agent = await rig.connect(await rig.replica(place))
    got = await agent.next("offer")
    assert (got.position, got.phase, got.manifest) == (offered.position, "contract", offered.manifest)
    assert {b.version: b.body for b in got.bodies} == {v: r.body for v, r in shot.resources.items()}
    assert [position for _, position in rig.feed.left] == [offered.position]
    await agent.silence()


async def test_a_reconnect_with_everything_held_sends_nothing(rig: Rig) -> None:
    east, west = rig.feed.cluster("east", "acme"), rig.feed.cluster("west", "acme")
    shot = snapshot(a="1")
    offered = rig.feed.offer(east, "m", shot)
    rig.feed.bundle(east, [east, west])
    rig.feed.export(east, "m", [link.Peer(cluster="west", state="live")])
    held = [offered.position, east.trust.position, east.imports["m"].position]
    agent = await rig.connect(await rig.replica(east), held=held, resources=list(shot.resources))
    await agent.silence()


async def test_a_change_sends_the_difference(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    rig.feed.offer(place, "m", snapshot(a="1", b="2"))
    agent = await rig.connect(await rig.replica(place))
    await agent.next("offer")
    rig.feed.offer(place, "m", snapshot(a="1", b="3"))
    assert [(b.name, b.body) for b in (await agent.next("offer")).bodies] == [("b", b"3")]
    rig.feed.offer(place, "m", snapshot(a="1", b="2"))
    assert not (await agent.next("offer")).bodies, "going back needs nothing that the agent does not have"


async def test_bodies_on_the_agents_disk_are_not_sent(rig: Rig) -> None:
    place, shot = rig.feed.cluster("east", "acme"), snapshot(a="1", b="2")
    rig.feed.offer(place, "m", shot)
    kept = min(shot.resources)
    agent = await rig.connect(await rig.replica(place), resources=[kept])
    assert [b.version for b in (await agent.next("offer")).bodies] == [max(shot.resources)]


async def test_an_older_sequence_is_never_sent(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    offered = rig.feed.offer(place, "m", snapshot(a="1"))
    newer = link.Position(lane=link.DEFINITION, mesh="m", sequence=offered.position.sequence + 1, version="other")
    agent = await rig.connect(await rig.replica(place), held=[newer])
    await agent.silence()


async def test_bundles_come_before_definitions_and_imports_after(rig: Rig) -> None:
    east, west = rig.feed.cluster("east", "acme"), rig.feed.cluster("west", "acme")
    rig.feed.export(east, "m", [link.Peer(cluster="west", gateways=["10.0.0.1:15443"])])
    rig.feed.offer(east, "m", snapshot(a="1"))
    rig.feed.bundle(east, [east, west])
    agent = await rig.connect(await rig.replica(east))
    trust = await agent.next("trust")
    assert [b.trust_domain for b in trust.bundles] == [east.domain.text, west.domain.text]
    await agent.next("offer")
    assert (await agent.next("imports")).peers[0].gateways == ["10.0.0.1:15443"]


async def test_a_mesh_that_is_known_to_be_gone_is_withdrawn_once(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    rig.feed.offer(place, "m", snapshot(a="1"))
    rig.feed.offer(place, "n", snapshot(a="1"))
    agent = await rig.connect(await rig.replica(place))
    await agent.next("offer")
    await agent.next("offer")
    place.offers.pop("n")
    rig.feed.detach(place, "m")
    assert (await agent.next("withdraw")).mesh == "m"
    await agent.silence()


async def test_acks_that_change_counts_arrive_at_once_and_a_storm_is_a_few_writes(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    agent = await rig.connect(await rig.replica(place))
    started = asyncio.get_running_loop().time()
    await agent.say(acks=views(10, 1))
    await until(lambda: rig.feed.posts, "the first ack")
    assert asyncio.get_running_loop().time() - started < 0.5
    for count in range(2, 1001):
        await agent.say(acks=views(1000, count))
    await until(lambda: rig.feed.posts[-1][1].acks.views[0].acked == 1000, "the last ack")
    took = asyncio.get_running_loop().time() - started
    assert len(rig.feed.posts) <= 9 + 4 * took


async def test_what_an_agent_reports_reaches_the_feed(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    agent = await rig.connect(await rig.replica(place))
    await agent.say(heartbeat=link.Heartbeat(wardens=1, proxies=3))
    await agent.say(summary=link.Summary(mesh="m", generation=4))
    await agent.say(refusal=link.Refusal(resource="a", reason="why"))
    await until(
        lambda: {m.WhichOneof("body") for _, m in rig.feed.posts} == {"heartbeat", "summary", "refusal"}, "reports"
    )
    assert {a for a, _ in rig.feed.posts} == {AgentId(place.org, place.id, "a-0")}


async def test_reports_wait_while_the_feed_is_away(rig: Rig) -> None:
    agent = await rig.connect(await rig.replica(rig.feed.cluster("east", "acme")))
    rig.feed.away = True
    await agent.say(acks=views(10, 1))
    await agent.say(acks=views(10, 7))
    await agent.silence(0.3)
    rig.feed.away = False
    await until(lambda: rig.feed.posts, "the ack is written when the feed is back")
    assert rig.feed.posts[-1][1].acks.views[0].acked == 7


async def test_the_last_words_of_an_agent_that_hangs_up_are_heard(rig: Rig) -> None:
    agent = await rig.connect(await rig.replica(rig.feed.cluster("east", "acme")))
    for count in range(1, 50):
        await agent.say(acks=views(100, count))
    await agent.call.done_writing()
    assert await agent.call.code() is grpc.StatusCode.OK
    assert rig.feed.posts[-1][1].acks.views[0].acked == 49


async def test_an_intermediate_is_signed_for_the_cluster_of_the_certificate(rig: Rig) -> None:
    place, key = rig.feed.cluster("east", "acme"), new_key()
    agent = await rig.connect(await rig.replica(place))
    await agent.say(intermediate=link.IntermediateRequest(csr_der=csr.make(key)))
    answer = await agent.next("intermediate")
    (made,) = chain.parse_pem(answer.chain_pem)
    verify.intermediate(made, [place.root.certificate], place.domain.text, now=datetime.now(UTC))
    assert (made.public_key(), answer.trust_domain, answer.refused) == (key.public_key(), place.domain.text, "")


async def test_a_bad_request_for_an_intermediate_says_why_and_ends_nothing(rig: Rig) -> None:
    agent = await rig.connect(await rig.replica(rig.feed.cluster("east", "acme")))
    await agent.say(intermediate=link.IntermediateRequest(csr_der=b"?"))
    answer = await agent.next("intermediate")
    assert (answer.refused.partition(":")[0], answer.chain_pem) == ("validation_failed", b"")
    await agent.say(intermediate=link.IntermediateRequest(csr_der=csr.make(new_key())))
    assert (await agent.next("intermediate")).chain_pem


async def test_the_older_copy_of_a_replica_is_fenced(rig: Rig) -> None:
    who = await rig.replica(rig.feed.cluster("east", "acme"))
    older = await rig.connect(who)
    newer = await rig.connect(who)
    assert newer.welcome.epoch == older.welcome.epoch + 1
    assert await rig.refused(who, epoch=older.welcome.epoch) == (REFUSED, "permission_denied")
    await older.say(heartbeat=link.Heartbeat())
    assert await older.ended() == (REFUSED, "permission_denied")
    await newer.say(heartbeat=link.Heartbeat())
    await until(lambda: rig.feed.posts, "the newer copy is heard")


@pytest.mark.parametrize("fault", ["evicted", "fenced"])
async def test_a_silent_stream_ends_soon_after_its_replica_is(fault: str) -> None:
    async with running(MemoryFeed(), Timing(guard=0.1)) as rig:
        place = rig.feed.cluster("east", "acme")
        who = await rig.replica(place)
        agent = await rig.connect(who)
        member = AgentId(place.org, place.id, "a-0")
        if fault == "evicted":
            rig.feed.evict(member)
        else:
            rig.feed.members[member].epoch += 1
        assert await agent.ended() == (REFUSED, "permission_denied")


def test_the_guard_looks_well_within_the_minute() -> None:
    assert Timing().guard <= 30


async def test_a_stream_does_not_outlive_its_certificate() -> None:
    async with running(MemoryFeed(), Timing(guard=0.1)) as rig:
        _, who = rig.enrolled(rig.feed.cluster("east", "acme"), days_ago=1 - 2 / 86_400)
        agent = await rig.connect(who)
        assert await agent.ended() == (grpc.StatusCode.UNAVAILABLE, "certificate_expired")


async def test_a_hub_that_stops_sends_its_agents_elsewhere(rig: Rig) -> None:
    agent = await rig.connect(await rig.replica(rig.feed.cluster("east", "acme")))
    stopping = asyncio.create_task(rig.hub.stop())
    assert await agent.ended() == (grpc.StatusCode.UNAVAILABLE, "hub_stopping")
    await stopping


async def test_a_stream_that_does_not_begin_with_hello_is_refused(rig: Rig) -> None:
    who = await rig.replica(rig.feed.cluster("east", "acme"))
    call = rig.dial(who.credentials(rig.ca.certificate))
    await call.write(link.FromAgent(heartbeat=link.Heartbeat()))
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_no_client_certificate_no_stream(rig: Rig) -> None:
    call = rig.dial(grpc.ssl_channel_credentials(chain.to_pem([rig.ca.certificate])))
    assert await call.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("forger", ["another link CA", "a cluster's own root"])
async def test_a_certificate_of_another_ca_is_refused(rig: Rig, forger: str) -> None:
    """The second is what a stolen intermediate or root could make: it must not reach the link."""
    place = rig.feed.cluster("east", "acme")
    agent, _ = rig.enrolled(place)
    who = rig.certificate(agent, ca=new_link_ca()) if forger == "another link CA" else rig.workload(place, agent)
    assert await rig.dial(who.credentials(rig.ca.certificate)).code() is grpc.StatusCode.UNAVAILABLE
    assert rig.feed.members[agent].epoch == 0


async def test_an_agent_refuses_a_hub_of_another_ca(rig: Rig) -> None:
    who = await rig.replica(rig.feed.cluster("east", "acme"))
    call = rig.dial(who.credentials(new_link_ca().certificate))
    assert await call.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_hubs_own_certificate_opens_no_stream(rig: Rig) -> None:
    who = rig.hub_certificate()
    assert await rig.dial(who.credentials(rig.ca.certificate)).code() is grpc.StatusCode.UNAVAILABLE


async def test_an_expired_certificate_opens_no_stream(rig: Rig) -> None:
    _, who = rig.enrolled(rig.feed.cluster("east", "acme"), days_ago=2)
    assert await rig.dial(who.credentials(rig.ca.certificate)).code() is grpc.StatusCode.UNAVAILABLE


async def test_one_orgs_certificate_never_gets_anothers_offer(rig: Rig) -> None:
    """Same cluster name, same mesh name, even the other's cluster id in a certificate with one's own org."""
    acme, rival = rig.feed.cluster("east", "acme"), rig.feed.cluster("east", "rival")
    rig.feed.offer(acme, "m", snapshot(secret="acme"))
    rig.feed.offer(rival, "m", snapshot(secret="rival"))
    agent = await rig.connect(await rig.replica(rival))
    assert [b.body for b in (await agent.next("offer")).bodies] == [b"rival"]
    rig.feed.offer(acme, "m", snapshot(secret="acme again"))
    await agent.silence()
    crossed = rig.certificate(AgentId(rival.org, acme.id, "a-0"))
    assert await rig.refused(crossed) == (REFUSED, "permission_denied")


async def test_a_body_of_another_org_is_not_had_by_naming_its_version(rig: Rig) -> None:
    """A manifest that refers to what the org does not have is not sent at all, rather than with a hole in it."""
    acme, rival = rig.feed.cluster("east", "acme"), rig.feed.cluster("east", "rival")
    shot = snapshot(secret="acme")
    rig.feed.offer(acme, "m", shot)
    rig.feed.offer(rival, "m", Snapshot(shot.manifest))
    agent = await rig.connect(await rig.replica(rival))
    await agent.silence()


async def test_an_offer_of_many_megabytes_passes(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    rig.feed.offer(place, "m", snapshot(**{f"c{n}": "x" * 1_000_000 for n in range(20)}))
    agent = await rig.connect(await rig.replica(place))
    assert len((await agent.next("offer")).bodies) == 20
