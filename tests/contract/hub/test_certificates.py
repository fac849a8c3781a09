"""The lane of managed certificates: before what names them, to agents that keep them, again only when they change."""

from gateway.proto import link_pb2 as link
from tests.contract.hub.conftest import Rig
from tests.contract.hub.memory_feed import Place
from tests.contract.hub.test_link import snapshot

ABLE = {"features": ["certificates"]}


def certify(rig: Rig, place: Place, *arns: str) -> None:
    held = [link.ManagedCertificate(arn=arn, chain_pem=b"chain", key_pem=b"key") for arn in arns]
    rig.feed.certify(place, link.Certificates(certificates=held))


async def test_certificates_come_before_the_definition_that_names_them_and_only_once(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    certify(rig, place, "a", "b")
    rig.feed.offer(place, "m", snapshot(a="1"))
    agent = await rig.connect(await rig.replica(place), **ABLE)
    sent = await agent.next("certificates")
    assert [(each.arn, each.key_pem) for each in sent.certificates] == [("a", b"key"), ("b", b"key")]
    await agent.next("offer")
    await agent.silence()
    certify(rig, place, "a")
    assert [each.arn for each in (await agent.next("certificates")).certificates] == ["a"], "what is not listed is gone"


async def test_an_agent_that_does_not_say_that_it_keeps_them_is_sent_no_key(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    certify(rig, place, "a")
    rig.feed.offer(place, "m", snapshot(a="1"))
    agent = await rig.connect(await rig.replica(place))
    await agent.next("offer")
    await agent.silence()


async def test_another_cluster_is_sent_its_own(rig: Rig) -> None:
    east, west = rig.feed.cluster("east", "acme"), rig.feed.cluster("west", "acme")
    certify(rig, east, "a")
    certify(rig, west, "b")
    agent = await rig.connect(await rig.replica(west), **ABLE)
    assert [each.arn for each in (await agent.next("certificates")).certificates] == ["b"]


async def test_what_is_on_the_agents_disk_is_not_sent_again(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    certify(rig, place, "a")
    agent = await rig.connect(await rig.replica(place), held=[place.certificates.position], **ABLE)
    await agent.silence()
