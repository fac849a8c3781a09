"""Names of nodes that nobody has bound, end to end at an agent: asked for when due, kept, let go, made way for."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from envoy.config.core.v3 import health_check_pb2
from envoy.config.endpoint.v3 import endpoint_pb2

from gateway.agent.discovery import answers
from gateway.agent.discovery.dns import DnsSource
from gateway.proto import link_pb2 as link
from isthmus.model.definition import Definition
from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.agent.rig import MESH, Joined, WardenStream, instance, until
from tests.contract.agent.waiting import serving as agent_serves
from tests.nameserver import FAILS, GONE, SILENT, NameServer, Says, but, serving

FRONT, BLUE = instance("front"), instance("blue", address="127.0.1.2", ports={})
NAME, OTHER, QUIET = "blue.example", "green.example", "front.example"
HERE = Says(("192.0.2.1", "192.0.2.2"), ttl=0)
THERE = Says(("192.0.2.2", "192.0.2.3"), ttl=0)


def named(response_type: str = "ENDPOINTS") -> Definition:
    """`blue`, `green` and `front`, which nobody calls, are found in DNS."""
    dns = {name: {"dns": {"hostname": name, "responseType": response_type}} for name in (NAME, OTHER, QUIET)}
    return build.mesh(
        build.node("front", backends=[build.SERVICE], serviceDiscovery=dns[QUIET]),
        build.node("blue", serviceDiscovery=dns[NAME]),
        build.node("green", serviceDiscovery=dns[OTHER]),
    )


@pytest.fixture
def names() -> Iterator[NameServer]:
    with serving({NAME: HERE, OTHER: Says(("192.0.2.9",), ttl=60), QUIET: Says(("192.0.2.8",))}) as made:
        yield made


@pytest.fixture
def shop(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> Joined:
    """The mesh, `front` here, and another cluster that has nothing. A name without a TTL is asked for often."""
    monkeypatch.setattr(answers, "SOONEST", 0.1)
    joined.agent.list(FRONT)
    joined.offer(named())
    joined.rig.feed.export(joined.place, MESH, [])
    return joined


def endpoints(stream: WardenStream, backend: str = "node/blue/8080") -> list[Any]:
    """What `front` is told of a backend."""
    refs = stream.proxies["front"].refs
    version = next(r.version for r in refs if (r.type, r.name) == (Type.ENDPOINTS, backend))
    told = endpoint_pb2.ClusterLoadAssignment.FromString(stream.bodies[version].body)
    return [each for at in told.endpoints for each in at.lb_endpoints]


def addresses(stream: WardenStream, backend: str = "node/blue/8080") -> list[str]:
    """Where `front` is told to call a backend."""
    return [each.endpoint.address.socket_address.address for each in endpoints(stream, backend)]


def _health(stream: WardenStream) -> set[int]:
    return {each.health_status for each in endpoints(stream)}


def said(joined: Joined, node: str = "blue") -> link.Resolved | None:
    """What the tenant is told of a node."""
    summaries = joined.said("summary")
    return next((r for r in summaries[-1].resolved if r.node == node), None) if summaries else None


def _stale(joined: Joined, why: str) -> bool:
    resolved = said(joined)
    return resolved is not None and resolved.stale and why in resolved.error


async def told(stream: WardenStream, *expected: str) -> None:
    """Until `front` is to call these."""
    await stream.proxy("front")
    await until(lambda: addresses(stream) == list(expected), f"blue is at {expected}")


async def test_callers_follow_what_dns_says_and_keep_it_while_it_says_nothing(shop: Joined, names: NameServer) -> None:
    async with shop.agent.run(dns_server=names.address):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await told(stream, "192.0.2.1", "192.0.2.2")
            definition = stream.proxies["front"].definition
            names.says[NAME] = THERE
            await told(stream, "192.0.2.2", "192.0.2.3")
            for failing, why in ((FAILS, "SERVFAIL"), (GONE, "does not exist")):
                names.says[NAME] = failing
                await until(partial(_stale, shop, why), why)
                assert addresses(stream) == ["192.0.2.2", "192.0.2.3"]
            names.says[NAME] = but(HERE, a=("192.0.2.7",))
            await told(stream, "192.0.2.7")
            fresh = await until(lambda: (r := said(shop)) and not r.stale and r, "it is fresh again")
            assert (fresh.source, fresh.asked, list(fresh.addresses), fresh.error) == ("dns", NAME, ["192.0.2.7"], "")
            assert stream.proxies["front"].definition == definition, "addresses are no revision"


async def test_only_what_is_called_and_unbound_is_asked_for_one_question_at_a_time(
    shop: Joined, names: NameServer
) -> None:
    names.held.clear()
    async with shop.agent.run(dns_server=names.address):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            await until(lambda: names.count(NAME) and names.count(OTHER), "they are asked for")
            assert addresses(stream) == [], "nothing is known yet, and nobody waits for it"
            names.held.set()
            await until(lambda: names.count(NAME) >= 3, "it is asked for when its time is over, again and again")
            assert names.count(OTHER) == names.count(OTHER, "AAAA") == 1, "a minute is a minute"
            assert {name for name, _ in names.asked} == {NAME, OTHER}, "nobody calls front"
            assert set(names.most.values()) == {1}


async def test_a_name_that_does_not_answer_delays_no_other(shop: Joined, names: NameServer) -> None:
    names.says[OTHER] = SILENT
    async with shop.agent.run(dns_server=names.address):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await told(stream, "192.0.2.1", "192.0.2.2")
            names.says[NAME] = THERE
            await told(stream, "192.0.2.2", "192.0.2.3")
            assert names.count(OTHER) >= 1
            assert not addresses(stream, "node/green/8080")


async def test_a_bound_instance_takes_over_and_when_it_goes_the_name_is_asked_for_again(
    shop: Joined, names: NameServer
) -> None:
    async with shop.agent.run(dns_server=names.address):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await told(stream, "192.0.2.1", "192.0.2.2")
            shop.agent.list(FRONT, BLUE)
            await told(stream, "127.0.1.2")
            await until(lambda: "blue" in shop.said("summary")[-1].bound, "it is told")
            assert said(shop) is None
            asked = names.count(NAME)
            shop.agent.list(FRONT, BLUE | {"health": "unhealthy"})
            await until(lambda: _health(stream) == {health_check_pb2.UNHEALTHY}, "it is not well, and stays")
            assert names.count(NAME) <= asked + 1, "one may have been on its way"
            asked = names.count(NAME)
            names.says[NAME] = THERE
            shop.agent.list(FRONT)
            await told(stream, "192.0.2.2", "192.0.2.3")
            assert names.count(NAME) > asked


async def test_instances_of_another_cluster_go_before_the_name(shop: Joined, names: NameServer) -> None:
    slots = [link.Slot(slot="s", ports=[8080], health="healthy", weight=1)]
    node = link.Exported(node="blue", slots=slots, count=1)
    west = link.Peer(cluster="west", region="eu-west-1", network="west", state="live", nodes=[node])
    async with shop.agent.run(dns_server=names.address):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await told(stream, "192.0.2.1", "192.0.2.2")
            shop.rig.feed.export(shop.place, MESH, [west])
            await told(stream, "")  # an internal address, which is no socket's
            west.state = "dead"
            shop.rig.feed.export(shop.place, MESH, [west])
            await told(stream, "192.0.2.1", "192.0.2.2")


async def test_before_it_is_known_what_others_have_no_name_is_asked_for(joined: Joined, names: NameServer) -> None:
    joined.agent.list(FRONT)
    joined.offer(named())
    async with joined.agent.run(dns_server=names.address):
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            await until(lambda: joined.said("summary"), "all that is known has been told")
            assert names.asked == []
            joined.rig.feed.export(joined.place, MESH, [])
            await told(stream, "192.0.2.1", "192.0.2.2")


async def test_a_load_balancer_is_one_address_for_as_long_as_it_has_it(shop: Joined, names: NameServer) -> None:
    shop.offer(named("LOADBALANCER"))
    names.says[NAME] = Says(("192.0.2.2", "192.0.2.1"), ttl=0)
    async with shop.agent.run(dns_server=names.address):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await told(stream, "192.0.2.2")
            states = len(stream.states)
            names.says[NAME] = Says(("192.0.2.1", "192.0.2.2"), ttl=0)
            asked = names.count(NAME)
            await until(lambda: names.count(NAME) >= asked + 2, "another order has been seen")
            assert addresses(stream) == ["192.0.2.2"]
            assert len(stream.states) == states, "nobody is told of it"
            names.says[NAME] = Says(("192.0.2.3", "192.0.2.1"), ttl=0)
            await told(stream, "192.0.2.3")


async def test_a_restarted_agent_goes_on_with_what_was_said_while_dns_is_away(shop: Joined, names: NameServer) -> None:
    async with shop.agent.run(dns_server=names.address):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await told(stream, "192.0.2.1", "192.0.2.2")
            names.says[NAME] = THERE
            await told(stream, "192.0.2.2", "192.0.2.3")
    names.says[NAME] = SILENT
    async with shop.agent.run(dns_server=names.address):
        await agent_serves(shop.agent)
        async with warden.stream() as stream:
            await told(stream, "192.0.2.2", "192.0.2.3")
            stale = await until(lambda: (r := said(shop)) and r.stale and r, "it is stale")
            assert list(stale.addresses) == ["192.0.2.2", "192.0.2.3"]
            names.says[NAME] = HERE
            await told(stream, "192.0.2.1", "192.0.2.2")


async def test_that_there_are_none_is_believed_after_a_while(
    shop: Joined, names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "HELD_SECONDS", 1.5)
    async with shop.agent.run(dns_server=names.address):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await told(stream, "192.0.2.1", "192.0.2.2")
            names.says[NAME] = GONE
            await until(lambda: (r := said(shop)) and r.stale, "it is held")
            await told(stream)
            empty = await until(lambda: (r := said(shop)) and not r.stale and r, "and let go")
            assert (list(empty.addresses), empty.error) == ([], f"{NAME} does not exist")


async def test_what_breaks_in_asking_stops_no_other_name(
    shop: Joined, names: NameServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = DnsSource.ask

    async def breaking(self: DnsSource, question: Any, kept: Any) -> Any:  # noqa: ANN401
        if question.hostname == OTHER:
            raise RuntimeError("a bug")
        return await whole(self, question, kept)

    monkeypatch.setattr(DnsSource, "ask", breaking)
    async with shop.agent.run(dns_server=names.address):
        warden = await shop.agent.enrol()
        async with warden.stream() as stream:
            await told(stream, "192.0.2.1", "192.0.2.2")
            broken = await until(lambda: (r := said(shop, "green")) and r.error and r, "it is told")
            assert "a bug" in broken.error
    assert any(record.exc_info for record in caplog.records)
