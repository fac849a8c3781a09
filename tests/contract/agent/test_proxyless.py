"""An application that is its own xDS client, from the instances file to the counting of its ACKs."""

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.agent.running import host_token
from gateway.warden.proxyless import BOOTSTRAP, ENVIRONMENT
from isthmus.pki import chain, verify
from tests import build
from tests.contract.agent.rig import Joined, instance, until
from tests.contract.envoy.grpc_client import Client, environment

FRONT = instance("front", address="127.0.1.1") | {"ports": {}, "grpc": True}
VIEW = "node/front@1.40"


async def test_its_warden_is_told_its_definition_and_given_its_leaf(joined: Joined) -> None:
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            state, key = await stream.proxy("front"), ec.generate_private_key(ec.SECP256R1())
            assert (state.role, state.node) == ("proxyless", "front")
            assert stream.names("front", "lds") == {"colors.local", "colors.local:*"}
            shown = chain.parse_pem((await stream.leaf("front", key)).chain_pem)
            root = [joined.place.root.certificate]
            verify.svid(shown, root, now=shown[0].not_valid_before_utc, spiffe_id=state.identity)
            await stream.ack(state)
            await until(lambda: (acks := joined.acks(VIEW)) and acks.acked == 1, "its ACK counts for its node's view")


async def test_a_real_client_of_a_real_warden_follows_and_is_counted(joined: Joined, tmp_path: Path) -> None:
    """Nobody answers its calls here; that it knows whom to call shows in their failure."""
    blue = instance("blue", address="127.0.1.2") | {"ports": {}}
    joined.offer(build.mesh(targets={"blue": 1}), revision=2)
    joined.agent.list(FRONT, blue)
    folder = joined.agent.folder / "s"
    async with joined.agent.run():
        await until((joined.agent.folder / "wardens.json").exists, "the agent lets wardens in")
        process = await asyncio.to_thread(_warden, joined, folder)
        try:
            await until((folder / "front" / ENVIRONMENT).exists, "its files are there")
            assert (folder / "front" / BOOTSTRAP).exists()
            client = Client(environment(folder / "front" / ENVIRONMENT))
            came = await asyncio.to_thread(partial(client.call, "xds:///colors.local:8080", seconds=5))
            assert (came.code, "127.0.1.2:8080" in came.details) == ("UNAVAILABLE", True), came
            await until(lambda: (acks := joined.acks(VIEW)) and (acks.connected, acks.acked) == (1, 1), "it is counted")
            await asyncio.to_thread(client.stop)
            await until(lambda: (acks := joined.acks(VIEW)) and acks.connected == 0, "it has gone")
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)
    assert not (folder / "front" / "xds.sock").exists()


def _warden(joined: Joined, folder: Path) -> "subprocess.Popen[bytes]":
    """The command, as an operator starts it."""
    made = host_token(joined.agent.folder, "h1")
    command = [sys.executable, "-m", "isthmus.cli.main", "warden", "--data-dir", str(folder.with_name("w"))]
    command += ["--agent", made.agent, "--agent-ca", made.agent_ca, "--host-token", made.token]
    return subprocess.Popen([*command, "--warden-dir", str(folder)], stderr=subprocess.DEVNULL)
