"""An agent in this process, a hub over a feed in memory, and a warden that speaks by hand over real TLS."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from gateway.agent.presented import pinned_ca  # noqa: F401 - tests take it from here
from gateway.agent.running import Options, host_token, serve
from gateway.edge.keys import key_pem
from gateway.proto import host_pb2 as host
from gateway.proto import host_pb2_grpc
from gateway.proto import link_pb2 as link
from isthmus.hostport import parted
from isthmus.model.definition import Definition
from isthmus.pki import chain, csr, link_ca
from isthmus.values import Secret
from isthmus.xds.compile import compile_mesh
from isthmus.xds.snapshot import Snapshot
from tests import build
from tests.contract.hub.conftest import Rig
from tests.contract.hub.memory_feed import Place
from tests.golden.cases import MESH_ID, surroundings

DEADLINE = 10.0
MESH = str(MESH_ID)
OPTIONS = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


async def until(condition: Callable[[], Any], what: str) -> Any:  # noqa: ANN401 - the condition's first true value
    """Wait for a condition with a deadline."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not (value := condition()):  # noqa: ASYNC110 - any condition, not one of ours
                await asyncio.sleep(0.005)
            return value
    except TimeoutError:
        raise AssertionError(f"did not happen within {DEADLINE} s: {what}") from None


def snapshot(definition: Definition | None = None, cluster: str = "east") -> Snapshot:
    """A mesh as the compiler makes it for a cluster."""
    return compile_mesh(definition or build.mesh(), surroundings(), cluster).snapshot


def instance(name: str, where: str = "h1", ports: Mapping[int, int] | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """An instance as the file lists it."""
    return {"name": name, "host": where, "address": "127.0.1.1", "ports": dict(ports or {8080: 15006}), **more}


GATEWAY = {"name": "east-west", "host": "h1", "address": "127.0.1.9", "port": 15443}
FRONT, BLUE = instance("front"), instance("blue", address="127.0.1.2")


@dataclass
class Agent:
    """An agent replica with its own folder. `run` starts it in this event loop."""

    folder: Path
    options: Options

    @property
    def instances(self) -> Path:
        return self.folder / "instances.yaml"

    def list(self, *instances: Mapping[str, Any], gateways: tuple[Mapping[str, Any], ...] = ()) -> None:
        """Write the instances file, whole."""
        beside = self.instances.with_suffix(".new")
        beside.write_text(json.dumps({"instances": [], "gateways": list(gateways)}).replace("[]", _yaml(instances), 1))
        beside.replace(self.instances)

    @asynccontextmanager
    async def run(self, **changed: Any) -> AsyncIterator["Agent"]:  # noqa: ANN401 - Options' fields
        """While the block lasts; an agent that ends by itself fails the block."""
        stop = asyncio.Event()
        task = asyncio.create_task(serve(replace(self.options, **changed), stop))
        try:
            yield self
            assert not task.done(), "the agent ended by itself"
        finally:
            stop.set()
            await task

    async def enrol(self, name: str = "h1", key: ec.EllipticCurvePrivateKey | None = None) -> "Warden":
        """A warden of a host, by a token made beside the agent."""
        await until((self.folder / "wardens.json").exists, "the agent lets wardens in")
        made = host_token(self.folder, name)
        return await join(made.agent, made.agent_ca, made.token, key)


def _yaml(instances: tuple[Mapping[str, Any], ...]) -> str:
    """JSON with whole numbers as keys, which is YAML."""
    text = json.dumps(instances)
    for one in instances:
        for port in one.get("ports", {}):
            text = text.replace(f'"{port}": ', f"{port}: ")
    return text


async def join(address: str, pin: str, token: str, key: ec.EllipticCurvePrivateKey | None = None) -> "Warden":
    """Enrol as a warden does: the root is believed because its fingerprint was on the command line."""
    root = link_ca.pinned(await asyncio.to_thread(shown, address), pin)
    own = key or ec.generate_private_key(ec.SECP256R1())
    credentials = grpc.ssl_channel_credentials(chain.to_pem([root]))
    async with grpc.aio.secure_channel(address, credentials) as channel:
        stub = host_pb2_grpc.HostEnrolmentStub(channel)
        answer = await stub.Join(host.HostJoin(token=token, csr_der=csr.make(own)), timeout=DEADLINE)
    return Warden(own, answer)


def shown(address: str) -> tuple[Any, ...]:
    """The chain that a server shows, before it is believed."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_alpn_protos([b"h2"])
    with socket.create_connection(parted(address), DEADLINE) as plain:
        plain.setblocking(True)  # noqa: FBT003 - what OpenSSL wants
        connection = SSL.Connection(context, plain)
        connection.set_connect_state()
        connection.do_handshake()
        return tuple(connection.get_peer_cert_chain(as_cryptography=True) or ())


@dataclass
class Warden:
    """A host's warden with its key and certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: host.HostCertificate

    @asynccontextmanager
    async def stream(
        self, *, held: tuple[str, ...] = (), chain_pem: bytes = b"", key: ec.EllipticCurvePrivateKey | None = None
    ) -> AsyncIterator["WardenStream"]:
        """One stream; with another certificate and key if told."""
        credentials = grpc.ssl_channel_credentials(
            self.certificate.root_pem, key_pem(key or self.key), chain_pem or self.certificate.chain_pem
        )
        async with grpc.aio.secure_channel(self.certificate.agents[0], credentials, OPTIONS) as channel:
            call = host_pb2_grpc.HostStub(channel).Serve()
            made = WardenStream(call)
            made.reading = asyncio.create_task(made.read())
            try:
                with suppress(grpc.aio.AioRpcError):  # refused before it has said anything: `ended` tells
                    await made.say(hello=host.WardenHello(version="test", resources=held))
                yield made
            finally:
                call.cancel()
                await asyncio.gather(made.reading, return_exceptions=True)


@dataclass
class WardenStream:
    """What came on a stream, and saying things."""

    call: Any
    states: list[host.ProxyStates] = field(default_factory=list)
    bodies: dict[str, host.ResourceBody] = field(default_factory=dict)
    leaves: dict[str, host.Leaf] = field(default_factory=dict)
    renewed: host.HostCertificate | None = None
    reading: Any = None

    async def read(self) -> None:
        while (message := await self.call.read()) is not grpc.aio.EOF:
            match message.WhichOneof("body"):
                case "states":
                    self.states.append(message.states)
                    self.bodies |= {b.version: b for b in message.states.bodies}
                case "leaf":
                    self.leaves[message.leaf.proxy] = message.leaf
                case "renewed":
                    self.renewed = message.renewed

    async def say(self, **body: Any) -> None:  # noqa: ANN401 - one of host.FromWarden's members
        await self.call.write(host.FromWarden(**body))

    @property
    def proxies(self) -> dict[str, host.ProxyState]:
        """What this host's proxies are to have now."""
        return {p.proxy: p for p in self.states[-1].proxies} if self.states else {}

    async def proxy(self, name: str) -> host.ProxyState:
        """A proxy's state, once it is there."""
        return await until(lambda: self.proxies.get(name), f"{name} has a state")  # type: ignore[no-any-return]

    async def leaf(self, proxy: str, key: ec.EllipticCurvePrivateKey | None = None) -> host.Leaf:
        """Ask for a leaf."""
        self.leaves.pop(proxy, None)
        request = csr.make(key or ec.generate_private_key(ec.SECP256R1()))
        await self.say(leaf=host.LeafRequest(proxy=proxy, csr_der=request))
        return await until(lambda: self.leaves.get(proxy), f"a leaf for {proxy}")  # type: ignore[no-any-return]

    async def ack(self, state: host.ProxyState) -> None:
        """Say that a proxy has all of a state."""
        now = datetime.now(UTC).timestamp()
        report = host.ProxyReport(
            proxy=state.proxy, connected=True, envoy="1.40.0", acked=state.definition, acked_at=now
        )
        await self.say(report=report)

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """How the agent ended the stream."""
        async with asyncio.timeout(DEADLINE):
            code = await self.call.code()
            return code, dict(await self.call.trailing_metadata()).get("isthmus-code", "")

    def names(self, proxy: str, kind: str) -> set[str]:
        """The names of a proxy's resources of a type."""
        return {ref.name for ref in self.proxies[proxy].refs if ref.type == kind}


@dataclass
class Joined:
    """A hub, a cluster there, and an agent of it."""

    rig: Rig
    place: Place
    agent: Agent

    def offer(self, definition: Definition | None = None, revision: int = 1) -> link.Offer:
        """The cluster is to have this."""
        return self.rig.feed.offer(self.place, MESH, snapshot(definition), revision)

    def said(self, kind: str) -> list[Any]:
        """What the agent has said of one kind, oldest first."""
        return [getattr(m, kind) for _, m in self.rig.feed.posts if m.WhichOneof("body") == kind]

    def acks(self, view: str) -> link.ViewAcks | None:
        """The newest counts of a view."""
        views = [v for acks in self.said("acks") for v in acks.views if v.view == view]
        return views[-1] if views else None


def agent_of(rig: Rig, place: Place, folder: Path, **options: Any) -> Agent:  # noqa: ANN401 - Options' fields
    """An agent that has yet to join."""
    made = Options(
        data_dir=folder,
        hubs=(rig.enrolment_address,),
        hub_ca=link_ca.fingerprint(rig.ca.certificate),
        token=Secret(rig.feed.token(place)),
        instances=folder / "instances.yaml",
        wardens_bind=f"127.0.0.1:{free_port()}",
        wardens_enrol_bind=f"127.0.0.1:{free_port()}",
    )
    return Agent(folder, replace(made, **options))


def cluster_id(place: Place) -> UUID:
    return place.id
