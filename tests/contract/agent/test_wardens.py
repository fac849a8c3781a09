"""Who is let in as a host, and what a host gets."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.agent.host_tokens import HostTokens
from gateway.agent.running import host_token
from gateway.proto import host_pb2 as host
from gateway.proto import link_pb2 as link
from isthmus.pki import chain, csr, issue, verify
from isthmus.values import Secret
from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.agent.rig import MESH, Joined, instance, join, until
from tests.contract.agent.waiting import serving

FRONT, BLUE = instance("front"), instance("blue", address="127.0.1.2", ports={8080: 15007})
GATEWAY = {"name": "ew", "host": "h1", "address": "127.0.1.9", "port": 15443}


async def test_a_leaf_says_what_the_binding_says_and_lives_an_hour(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            state, key = await stream.proxy("front"), ec.generate_private_key(ec.SECP256R1())
            shown = chain.parse_pem((await stream.leaf("front", key)).chain_pem)
    now = datetime.now(UTC)
    assert verify.svid(shown, [joined.place.root.certificate], now=now, spiffe_id=state.identity) == state.identity
    assert shown[0].public_key() == key.public_key()
    assert timedelta(minutes=59) < shown[0].not_valid_after_utc - now <= timedelta(hours=1)


async def test_a_workload_of_the_cluster_is_no_host(joined: Joined) -> None:
    """Its certificate is of the same trust domain and chains to the same root; the path decides."""
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            key = ec.generate_private_key(ec.SECP256R1())
            leaf = (await stream.leaf("front", key)).chain_pem
        async with warden.stream(chain_pem=leaf, key=key) as stream:
            assert await stream.ended() == (grpc.StatusCode.PERMISSION_DENIED, "permission_denied")


async def test_a_host_of_another_cluster_does_not_get_through_tls(joined: Joined) -> None:
    joined.agent.list(FRONT)
    other = joined.rig.feed.cluster("west", "acme")
    key = ec.generate_private_key(ec.SECP256R1())
    serial, now = x509.random_serial_number(), datetime.now(UTC)
    forged = issue.host(other.root, other.domain, "h1", key.public_key(), serial=serial, now=now)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        with pytest.raises((grpc.aio.AioRpcError, grpc.aio.UsageError)):
            async with warden.stream(chain_pem=chain.to_pem([forged]), key=key) as stream:
                await stream.call.read()


async def test_an_expired_host_token_is_refused(joined: Joined) -> None:
    async with joined.agent.run():
        await joined.agent.enrol()
        made = host_token(joined.agent.folder, "h1")
        HostTokens(joined.agent.folder).add(Secret("late"), "h1", datetime.now(UTC) - timedelta(minutes=15))
        with pytest.raises(grpc.aio.AioRpcError, match="expired") as raised:
            await join(made.agent, made.agent_ca, "late")
        assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_malformed_request_does_not_spend_the_token(joined: Joined) -> None:
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        made = host_token(joined.agent.folder, "h1")
        async with grpc.aio.secure_channel(
            made.agent, grpc.ssl_channel_credentials(warden.certificate.root_pem)
        ) as channel:
            call = channel.unary_unary(
                "/isthmus.host.v1.HostEnrolment/Join",
                request_serializer=host.HostJoin.SerializeToString,
                response_deserializer=host.HostCertificate.FromString,
            )
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call(host.HostJoin(token=made.token, csr_der=b"?"))
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await join(made.agent, made.agent_ca, made.token)).certificate.host == "h1"


async def test_a_host_renews_over_its_stream(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        key = ec.generate_private_key(ec.SECP256R1())
        async with warden.stream() as stream:
            await stream.say(renewal=host.HostRenewal(csr_der=csr.make(key)))
            renewed = await until(lambda: stream.renewed, "a new certificate")
        async with warden.stream(chain_pem=renewed.chain_pem, key=key) as stream:
            await stream.proxy("front")


async def test_bodies_that_the_warden_keeps_are_not_sent_again(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            state = await stream.proxy("front")
            assert {ref.version for ref in state.refs} == set(stream.bodies)
        async with warden.stream(held=tuple(sorted(stream.bodies)[1:])) as again:
            await again.proxy("front")
            assert set(again.bodies) == {min(stream.bodies)}


async def test_a_warden_cannot_speak_for_another_hosts_proxy(joined: Joined) -> None:
    joined.agent.list(FRONT, instance("blue", "h2", address="127.0.1.2"))
    async with joined.agent.run():
        first, second = await joined.agent.enrol(), await joined.agent.enrol("h2")
        async with first.stream() as stream, second.stream() as other:
            blue = await other.proxy("blue")
            await stream.proxy("front")
            await stream.ack(blue)
            await stream.ack(stream.proxies["front"])
            await until(lambda: (a := joined.acks("node/front@1.40")) and a.acked, "front is counted")
            acks = joined.acks("node/blue@1.40")
            assert acks is not None
            assert acks.connected == 0


async def test_a_refusal_of_envoys_is_told_in_its_own_words(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            state = await stream.proxy("front")
            ref = next(r for r in state.refs if r.type == Type.ROUTES)
            nack = host.ProxyNack(type=ref.type, name=ref.name, version=ref.version, message="no such cluster")
            report = host.ProxyReport(proxy="front", connected=True, envoy="1.40.0", nacks=[nack])
            await stream.say(report=report)
            acks = await until(lambda: (a := joined.acks("node/front@1.40")) and a.nacks and a, "it is told")
            assert list(acks.stragglers) == ["front"]
            assert [(n.proxy, n.name, n.message) for n in acks.nacks] == [("front", ref.name, "no such cluster")]


async def test_a_slot_is_exported_once_the_gateway_has_acked_it(joined: Joined) -> None:
    joined.agent.list(FRONT, BLUE, gateways=(GATEWAY,))
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            for proxy in ("front", "blue"):
                await stream.ack(await stream.proxy(proxy))
            await until(lambda: (a := joined.acks("node/blue@1.40")) and a.acked, "sidecars are counted")
            assert not joined.said("summary"), "nothing is known of the gateway yet"
            await until(lambda: len(stream.names("ew", Type.CLUSTER)) == 4, "both proxies have been seen")
            await stream.ack(await stream.proxy("ew"))
            summary = await until(lambda: joined.said("summary") and joined.said("summary")[-1], "it is announced")
            assert ({n.node for n in summary.nodes}, list(summary.gateways)) == ({"front", "blue"}, ["127.0.1.9:15443"])
            joined.agent.list(FRONT, BLUE | {"health": "draining"}, gateways=(GATEWAY,))
            await until(lambda: _health(joined, "blue") == "draining", "health is passed on")
    first = joined.said("summary")[-1].generation
    async with joined.agent.run():
        await serving(joined.agent)
        async with warden.stream() as stream:
            joined.agent.list(BLUE | {"health": "draining"}, gateways=(GATEWAY,))
            await until(lambda: stream.proxies and "front" not in stream.proxies, "front is gone")
            await stream.ack(await stream.proxy("ew"))
            await until(lambda: {n.node for n in joined.said("summary")[-1].nodes} == {"blue"}, "front is withdrawn")
            assert joined.said("summary")[-1].generation > first, "generations go on over a restart"


def _health(joined: Joined, node: str) -> str:
    slots = [s for n in joined.said("summary")[-1].nodes if n.node == node for s in n.slots]
    return slots[0].health if slots else ""


async def test_other_clusters_instances_reach_the_proxies(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            slot = link.Slot(slot="abcdefghij", health="healthy", weight=1, ports=[8080])
            peer = link.Peer(
                cluster="west",
                region="eu-west-1",
                network="west",
                state="live",
                gateways=["127.0.2.9:15443"],
                nodes=[link.Exported(node="blue", slots=[slot], count=1)],
            )
            joined.rig.feed.export(joined.place, MESH, [peer])
            await until(lambda: any(b"abcdefghij" in b.body for b in stream.bodies.values()), "the slot is an endpoint")
            assert any(b"127.0.2.9" in b.body for b in stream.bodies.values())


async def test_a_withdrawn_mesh_takes_its_proxies_with_it_also_from_disk(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            joined.rig.feed.detach(joined.place, MESH)
            await until(lambda: not stream.proxies, "nothing is served")
    assert not list((joined.agent.folder / "kept" / "definition").iterdir())


async def test_an_offer_is_applied_in_the_heartbeat_that_follows(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        await until(lambda: _applied(joined, 1), "the first is applied")
        offer = joined.offer(build.mesh(targets={"green": 100}), revision=2)
        await until(lambda: _applied(joined, 2), "the second is applied")
        (position,) = [p for p in joined.said("heartbeat")[-1].applied if p.lane == link.DEFINITION]
        assert position == offer.position
        counted = [v.generation for a in joined.said("acks") for v in a.views]
        assert 2 in counted


def _applied(joined: Joined, revision: int) -> bool:
    beats = joined.said("heartbeat")[-1:]
    return any(p.generation == revision for b in beats for p in b.applied if p.lane == link.DEFINITION)


def test_the_command_runs_an_agent_until_sigterm(tmp_path: Path) -> None:
    """Without a hub to reach it waits, and ends cleanly when told."""
    command = [sys.executable, "-m", "isthmus.cli.main", "agent", "--data-dir", str(tmp_path)]
    told = {"ISTHMUS_HUB": "127.0.0.1:1", "ISTHMUS_HUB_CA": "sha256:00", "ISTHMUS_JOIN_TOKEN": "t"}
    with subprocess.Popen(command, env=os.environ | told, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(10) == 0, rest
    assert "join_failed hub=127.0.0.1:1" in first
    assert "stopped" in rest


async def test_a_changed_instances_file_is_an_endpoint_within_a_second(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            asked = time.monotonic()
            joined.agent.list(FRONT, instance("blue", "h2", address="127.0.1.77", ports={8080: 15007}))
            await until(lambda: any(b"127.0.1.77" in b.body for b in stream.bodies.values()), "blue can be called")
            assert time.monotonic() - asked < 1
            assert set(stream.proxies) == {"front"}, "blue's proxy is another host's"
