"""Before which instances a proxy stands, as a whole agent learns, keeps and forgets it, over real wardens' streams."""

from itertools import groupby
from typing import Any

from envoy.config.endpoint.v3 import endpoint_pb2

from isthmus.xds.endpoints import MATCH
from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.agent.rig import Joined, Warden, WardenStream, instance, until
from tests.contract.agent.waiting import serving

FRONT, BLUE = instance("front"), instance("blue", "h2", address="127.0.1.2", ports={8080: 15007})
UNLISTED = BLUE | {"ports": {}}
PLAIN, MUTUAL = [(8080, True)], [(15007, False)]


def calls(stream: WardenStream, at: int = -1) -> list[tuple[int, bool]] | None:
    """How `front` is told to call `blue`, newest first: port, and whether in plaintext. None as long as it is not."""
    proxies = stream.states[at].proxies if stream.states else ()
    refs = (ref for proxy in proxies if proxy.proxy == "front" for ref in proxy.refs)
    told = [ref.version for ref in refs if (ref.type, ref.name) == (Type.ENDPOINTS, "node/blue/8080")]
    if not told:
        return None
    body = endpoint_pb2.ClusterLoadAssignment.FromString(stream.bodies[told[0]].body)
    found = [e for locality in body.endpoints for e in locality.lb_endpoints]
    return [(e.endpoint.address.socket_address.port_value, MATCH in e.metadata.filter_metadata) for e in found]


async def becomes(stream: WardenStream, expected: list[tuple[int, bool]]) -> None:
    await until(lambda: calls(stream) == expected, f"blue is called at {expected}, not at {calls(stream)}")


async def acked(warden: Warden) -> None:
    """The proxy before `blue` has all of its definition; then it is gone, as after a crash."""
    async with warden.stream() as stream:
        await stream.ack(await stream.proxy("blue"))
        await stream.leaf("blue")


async def seen(joined: Joined) -> Warden:
    """`front`'s warden, after the proxy before `blue` was seen."""
    warden = await joined.agent.enrol()
    async with warden.stream() as stream:
        await becomes(stream, PLAIN)
        await acked(await joined.agent.enrol("h2"))
        await becomes(stream, MUTUAL)
    return warden


async def test_discoverys_word_counts_once_the_proxy_has_acked(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        await seen(joined)


async def test_another_hosts_warden_cannot_say_so(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        other = await joined.agent.enrol("h2")
        async with warden.stream() as stream, other.stream() as theirs:
            state = await theirs.proxy("blue")
            await becomes(stream, PLAIN)
            await stream.ack(state)
            await stream.leaf("front")
            assert calls(stream) == PLAIN
            await theirs.ack(state)
            await becomes(stream, MUTUAL)


async def test_what_was_seen_once_is_never_called_in_plaintext_again(joined: Joined) -> None:
    """Its proxy gone, discovery's word taken back, its file broken, the agent restarted without a hub."""
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        warden = await seen(joined)
        async with warden.stream() as stream:
            joined.agent.list(FRONT, UNLISTED, instance("green", address="127.0.1.3", ports={}))
            await until(lambda: _has(stream, "green"), "discovery has looked again")
            assert calls(stream) == MUTUAL
    await joined.rig.hub.stop(0)
    joined.agent.instances.write_text("instances: [{name: front")
    async with joined.agent.run():
        await serving(joined.agent)
        async with warden.stream() as stream:
            await becomes(stream, MUTUAL)
            assert {str(calls(stream, i)) for i in range(len(stream.states))} == {str(MUTUAL)}, "not once otherwise"


async def test_who_asks_before_it_calls_goes_on_as_before_for_a_moment(joined: Joined) -> None:
    check = {"protocol": "http", "path": "/", "healthyThreshold": 2, "unhealthyThreshold": 2}
    checked = build.node("blue", listener={"healthCheck": check | {"timeoutMillis": 2000, "intervalMillis": 5000}})
    joined.offer(build.mesh(checked), revision=2)
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await becomes(stream, PLAIN)
            await acked(await joined.agent.enrol("h2"))
            await becomes(stream, MUTUAL)
            told = [calls(stream, i) for i in range(len(stream.states))]
    assert [how for how, _ in groupby(each for each in told if each)][-3:] == [PLAIN, [*PLAIN, *MUTUAL], MUTUAL]


async def test_what_is_gone_is_forgotten_and_begins_anew(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        warden = await seen(joined)
        async with warden.stream() as stream:
            await becomes(stream, MUTUAL)
            joined.agent.list(FRONT)
            await becomes(stream, [])
            joined.agent.list(FRONT, UNLISTED)
            await becomes(stream, PLAIN)
    async with joined.agent.run():
        await serving(joined.agent)
        async with warden.stream() as stream:
            await becomes(stream, PLAIN)


async def test_a_strict_node_is_not_called_before_its_proxy_was_seen(joined: Joined) -> None:
    joined.offer(build.mesh(build.transport("blue")), revision=2)
    joined.agent.list(FRONT, BLUE)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await becomes(stream, [])
            await acked(await joined.agent.enrol("h2"))
            await becomes(stream, MUTUAL)


async def test_the_hub_is_told_who_calls_in_plaintext_until_nobody_does(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE)

    def said() -> list[tuple[Any, ...]] | None:
        summaries = joined.said("summary")
        pairs = summaries[-1].plaintext if summaries else None
        return None if pairs is None else [(p.caller_kind, p.caller, p.node, p.port, *p.instances) for p in pairs]

    async with joined.agent.run():
        await until(lambda: said() == [("node", "front", "blue", 8080, "blue")], "the pair is told")
        await acked(await joined.agent.enrol("h2"))
        await until(lambda: said() == [], "it is no more")


async def test_with_siblings_discoverys_word_has_to_do(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE)
    sibling = "127.0.0.1:1"
    async with joined.agent.run(wardens=(joined.agent.options.wardens_bind, sibling)):
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await becomes(stream, MUTUAL)


def _has(stream: WardenStream, node: str) -> bool:
    name, proxies = f"node/{node}/8080", stream.proxies.values()
    refs = (r for proxy in proxies for r in proxy.refs if (r.type, r.name) == (Type.ENDPOINTS, name))
    return any(b"127.0.1.3" in stream.bodies[ref.version].body for ref in refs)
