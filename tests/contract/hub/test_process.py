"""`isthmus hub` as a process: it serves over the store, ends cleanly under agents, and says what is wrong."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from cryptography import x509

from gateway.proto import link_pb2 as link
from gateway.proto import link_pb2_grpc
from isthmus.adapters.local_signer import create_link_ca, new_key
from isthmus.adapters.sealer import Sealer
from isthmus.pki import authority, chain, csr, verify
from isthmus.store.authorities import Authorities, sealing_context
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.join_tokens import JoinTokens
from isthmus.values import TrustDomain
from tests.contract.hub import conftest
from tests.databases import Copy
from tests.until import until

EAST = TrustDomain.of("east", 1, "acme")


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Installation:
    """Keys and settings of one hub, and what it left in its log."""

    def __init__(self, folder: Path, copy: Copy) -> None:
        self.sealer = Sealer.create(folder / "master")
        self.ca = create_link_ca(folder / "ca.pem", folder / "ca.key", self.sealer, now=datetime.now(UTC))
        self.folder = folder
        link_port, enrolment_port = free_ports(2)
        self.link, self.enrolment = f"127.0.0.1:{link_port}", f"127.0.0.1:{enrolment_port}"
        self.settings = {
            "database_url": copy.url,
            "valkey_url": "redis://127.0.0.1:1/0",
            "master_key_file": str(folder / "master"),
            "link_ca_cert": str(folder / "ca.pem"),
            "link_ca_key": str(folder / "ca.key"),
            "hub_name": "hub-1",
            "hub_link_bind": self.link,
            "hub_link_address": self.link,
            "hub_enrolment_bind": self.enrolment,
            "hub_enrolment_address": self.enrolment,
        }

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("ISTHMUS_")}
        environ |= {f"ISTHMUS_{k.upper()}": v for k, v in self.settings.items()}
        command = [sys.executable, "-m", "isthmus.cli.main", "hub"]
        with (self.folder / "log").open("wb") as log, subprocess.Popen(command, env=environ, stderr=log) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def installation(tmp_path: Path, copy: Copy) -> Installation:
    return Installation(tmp_path, copy)


def token(database: Database, org: UUID, sealer: Sealer) -> str:
    """A join token of a new cluster with a sealed root."""
    now = datetime.now(UTC)
    signer, sealed = new_key(sealer, sealing_context(EAST.text))
    root = authority.create(signer, EAST, serial=x509.random_serial_number(), now=now)
    with database.tenant(org) as session:
        cluster = Clusters(session, org).create("east", "us-east-1", "", now=now)
        Authorities(session, org).add(cluster.id, EAST.text, chain.to_der(root), sealed, root.not_valid_after_utc)
        return str(JoinTokens(session, org).create(cluster.id).text)


async def test_an_agent_joins_and_gets_its_intermediate_until_sigterm(
    installation: Installation, database: Database, org: UUID
) -> None:
    secret, key = token(database, org, installation.sealer), conftest.new_key()
    root = chain.to_pem([installation.ca])
    with installation.running() as process:
        until(lambda: process.poll() is not None or "serves agents" in installation.log, 30)
        async with grpc.aio.secure_channel(installation.enrolment, grpc.ssl_channel_credentials(root)) as channel:
            request = link.JoinRequest(token=secret, csr_der=csr.make(key), replica="a-0")
            joined = await link_pb2_grpc.EnrolmentStub(channel).Join(request, timeout=20)
        assert list(joined.links) == [installation.link]
        mine = grpc.ssl_channel_credentials(root, conftest.key_pem(key), joined.certificate_pem)
        async with grpc.aio.secure_channel(installation.link, mine) as channel:
            call = link_pb2_grpc.LinkStub(channel).Connect(timeout=60)
            await call.write(link.FromAgent(hello=link.Hello(version="test")))
            agent = conftest.Agent(call, link.Welcome())
            agent.welcome = await agent.next("welcome")
            assert agent.welcome.trust_domain == EAST.text
            trust = await agent.next("trust")
            await agent.say(intermediate=link.IntermediateRequest(csr_der=csr.make(key)))
            answer = await agent.next("intermediate")
            roots = chain.parse_pem(trust.bundles[0].roots_pem[0])
            verify.intermediate(chain.parse_pem(answer.chain_pem)[0], roots, EAST.text, now=datetime.now(UTC))
            await agent.silence(2.5)
            process.send_signal(signal.SIGTERM)
            assert await agent.ended() == (grpc.StatusCode.UNAVAILABLE, "hub_stopping")
        assert process.wait(15) == 0
    assert secret not in installation.log
    assert "Traceback" not in installation.log


def test_a_port_that_is_taken_is_named(installation: Installation) -> None:
    host, _, port = installation.link.rpartition(":")
    with socket.create_server((host, int(port))), installation.running() as process:
        assert process.wait(30) == 1
    assert f"cannot listen on {installation.link}" in installation.log


def test_a_master_key_that_others_can_read_is_refused(installation: Installation) -> None:
    (installation.folder / "master").chmod(0o644)
    with installation.running() as process:
        assert process.wait(30) == 1
    assert "must be a file of mode 0600, not 0644" in installation.log
