"""An agent, its wardens and its instances with IPv6 addresses, and with one of each family."""

from envoy.config.listener.v3 import listener_pb2

from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.agent.rig import Joined, WardenStream, free_port, instance, until

SIX, FOUR = "fd00::5", "127.0.1.5"
BOTH = instance("front", address=FOUR, also=SIX)
PUBLIC = ["10.0.0.9:443", "[fd00::9]:15443"]
EVERYWHERE = {"name": "ew", "host": "h1", "address": "::", "port": 15443, "public": PUBLIC}


async def test_wardens_enrol_and_are_served_over_ipv6(joined: Joined) -> None:
    joined.agent.list(instance("front", address=SIX))
    binds = {name: f"[::1]:{free_port()}" for name in ("wardens_bind", "wardens_enrol_bind")}
    async with joined.agent.run(**binds):
        warden = await joined.agent.enrol()
        assert list(warden.certificate.agents) == [binds["wardens_bind"]]
        async with warden.stream() as stream:
            await stream.proxy("front")
            assert _listens(stream, "front", "inbound/8080") == [SIX]


async def test_where_a_proxy_listens_is_the_meshs_to_say(joined: Joined) -> None:
    joined.agent.list(BOTH)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            assert _listens(stream, "front", "inbound/8080") == _listens(stream, "front", "outbound") == [FOUR]
            preferring = build.mesh(spec={"serviceDiscovery": {"ipPreference": "IPv6_PREFERRED"}})
            said = len(stream.states)
            joined.offer(preferring, revision=2)
            await until(lambda: len(stream.states) > said, "it is told")
            assert _listens(stream, "front", "inbound/8080") == _listens(stream, "front", "outbound") == [FOUR, SIX]


async def test_a_gateway_at_every_address_is_known_by_those_that_it_says(joined: Joined) -> None:
    joined.agent.list(instance("front"), gateways=(EVERYWHERE,))
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.ack(await stream.proxy("ew"))
            assert _listens(stream, "ew", "east-west") == ["::"]
            await until(lambda: joined.said("summary") and joined.said("summary")[-1].gateways, "it is told")
    assert sorted(joined.said("summary")[-1].gateways) == PUBLIC


def _listens(stream: WardenStream, proxy: str, listener: str) -> list[str]:
    """The addresses of a proxy's listener."""
    refs = stream.proxies[proxy].refs
    (version,) = (r.version for r in refs if r.type == Type.LISTENER and r.name == listener)
    made = listener_pb2.Listener.FromString(stream.bodies[version].body)
    return [each.socket_address.address for each in (made.address, *(a.address for a in made.additional_addresses))]
