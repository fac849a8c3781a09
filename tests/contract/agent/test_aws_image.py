"""What an Envoy of App Mesh's image gets, and how it is counted."""

import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.agent.imaging import FRONT, Customer, Keys, image, serving, settings, signed
from tests.contract.agent.rig import BLUE, Joined, instance, until
from tests.unit.ads.speaking import asks

INBOUND = b"lds_ingress_0.0.0.0_15000"
LISTED = instance("front", address="127.0.0.1") | {"ports": {}}
BLUES = "mesh/shop/virtualNode/blue"


async def test_it_follows_its_mesh_and_is_counted(joined: Joined, customer: Customer, keys: Keys) -> None:
    where = settings(customer, keys)
    async with serving(joined, where), image(where, customer.pem) as envoy:
        await envoy.got(Type.LISTENER, INBOUND)
        await envoy.everything()
        acks = await until(lambda: (a := joined.acks("node/front@1.40")) and a.acked and a, "its ACKs are counted")
        assert (acks.connected, list(acks.stragglers), list(acks.nacks)) == (1, [], [])
        joined.offer(build.mesh(targets={"green": 100}), revision=2)
        await until(lambda: not any(b"blue" in b for b in envoy.bodies(Type.CLUSTER)), "what is gone is left out")
        await until(lambda: (a := joined.acks("node/front@1.40")) and (a.generation, a.acked) == (2, 1), "so are these")


async def test_a_refusal_is_told_in_its_own_words_under_the_name_that_it_has(
    joined: Joined, customer: Customer, keys: Keys
) -> None:
    joined.agent.list(LISTED)
    where = settings(customer, keys)
    async with (
        serving(joined, where),
        image(where, customer.pem) as envoy,
        image(where, customer.pem, BLUES, refuse=_inbound) as unlisted,
    ):
        await envoy.got(Type.LISTENER, INBOUND)
        await envoy.everything()
        await unlisted.got(Type.LISTENER, INBOUND)
        acks = await until(lambda: (a := joined.acks("node/blue@1.40")) and a.nacks and a, "it is told")
        (nack,) = acks.nacks
        assert (nack.proxy, nack.name) == ("blue@127.0.0.1", INBOUND.decode())
        assert "cannot bind" in nack.message
        await until(lambda: (a := joined.acks("node/front@1.40")) and a.acked, "a listed one counts for its instance")


def _inbound(response: discovery_pb2.DiscoveryResponse) -> str:
    """What Envoy says that cannot bind."""
    wrong = any(INBOUND in resource.value for resource in response.resources)
    return f"Error adding/updating listener(s) {INBOUND.decode()}: cannot bind" if wrong else ""


async def test_a_listed_one_is_called_in_plaintext_and_an_unlisted_one_is_not_called(
    joined: Joined, customer: Customer, keys: Keys
) -> None:
    """What has a proxy of ours is called at its application, for want of an identity."""
    joined.agent.list(LISTED, BLUE)
    where = settings(customer, keys)
    async with serving(joined, where), image(where, customer.pem) as envoy, image(where, customer.pem, BLUES):
        await envoy.got(Type.LISTENER, INBOUND)
        await envoy.everything()
        body = await envoy.got(Type.ENDPOINTS, b"node/blue/8080")
        found = endpoint_pb2.ClusterLoadAssignment.FromString(body).endpoints
        called = [e.endpoint.address.socket_address for locality in found for e in locality.lb_endpoints]
        assert [(a.address, a.port_value) for a in called] == [("127.0.1.2", 8080)]


async def test_an_instance_with_a_wardens_proxy_is_not_taken_from_it(
    joined: Joined, customer: Customer, keys: Keys
) -> None:
    joined.agent.list(instance("front", address="127.0.0.1"))
    where = settings(customer, keys)
    async with serving(joined, where), image(where, customer.pem) as envoy:
        code, words = await envoy.ended()
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "list it without ports" in words


async def test_one_that_goes_before_it_has_acked_is_lost_after_a_while(
    joined: Joined, customer: Customer, keys: Keys
) -> None:
    where = settings(customer, keys)
    async with serving(joined, where):
        async with image(where, customer.pem) as envoy:
            await envoy.got(Type.LISTENER, INBOUND)
        acks = await until(
            lambda: (a := joined.acks("node/front@1.40")) and (a.stragglers or a.lost) and a, "it is missed"
        )
        assert list(acks.stragglers) == ["front@127.0.0.1"]
        await until(lambda: (a := joined.acks("node/front@1.40")) and a.lost, "it is lost")


async def test_a_stream_ends_by_itself_with_0_and_its_envoy_comes_back_to_the_same(
    joined: Joined, customer: Customer, keys: Keys
) -> None:
    where = settings(customer, keys, lifetime=(0.5, 0.6))
    async with serving(joined, where):
        for asked in (1, 2):
            async with image(where, customer.pem) as envoy:
                await envoy.got(Type.LISTENER, INBOUND)
                assert (await envoy.ended())[0] is grpc.StatusCode.OK
                assert keys.asked >= asked, "whose key it is, is asked each time"
        acks = joined.acks("node/front@1.40")
        assert acks is not None
        assert acks.connected == 1, "it is one Envoy"


async def test_delta_is_served_at_the_same_port(joined: Joined, customer: Customer, keys: Keys) -> None:
    where = settings(customer, keys)
    url = f"https://{where.bind}/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
    async with serving(joined, where):
        credentials = grpc.ssl_channel_credentials(customer.pem)
        async with grpc.aio.secure_channel(where.bind, credentials) as channel:
            stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
            call = stub.DeltaAggregatedResources(metadata=signed(url), wait_for_ready=True)
            request = asks(Type.CLUSTER)
            request.node.id = FRONT
            await call.write(request)
            response = await call.read()
            assert "node/blue/8080" in {r.name for r in response.resources}
            call.cancel()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--aws-image-bind", "127.0.0.1:0"], "needs --aws-image-cert"),
        (["--aws-image-bind", "127.0.0.1:0", "--aws-image-cert", "a", "--aws-image-key", "b"], "--aws-image-host"),
    ],
    ids=["no certificate", "no name"],
)
def test_the_command_says_what_is_missing_before_it_joins(flags: list[str], says: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "isthmus.cli.main", "agent", "--data-dir", str(tmp_path), *flags]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert says in done.stderr
