"""A running hub over a feed in memory, and agents that speak to it by hand over real TLS."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.hub.feed import Here
from gateway.hub.hub import Hub
from gateway.hub.stream import Timing
from gateway.proto import link_pb2 as link
from gateway.proto import link_pb2_grpc
from isthmus.pki import chain, csr, link_ca
from isthmus.pki.signer import Issuer, KeySigner
from isthmus.pki.template import Template
from isthmus.values import AgentId
from tests.contract.hub.memory_feed import Member, MemoryFeed, Place

DEADLINE = 10.0
OPTIONS = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_link_ca(days_ago: float = 60) -> Issuer:
    signer = KeySigner(new_key())
    then = datetime.now(UTC) - timedelta(days=days_ago)
    return Issuer(signer, link_ca.create(signer, serial=x509.random_serial_number(), now=then))


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for a condition with a deadline."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - the condition lies in another program's memory
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"did not happen within {DEADLINE} s: {what}") from None


@dataclass
class Identity:
    """A key with its link certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def credentials(self, root: x509.Certificate) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(chain.to_pem([root]), key_pem(self.key), chain.to_pem([self.certificate]))


@dataclass
class Agent:
    """One open stream, seen from the agent's side."""

    call: Any
    welcome: link.Welcome
    reading: asyncio.Task[Any] | None = None

    async def next(self, kind: str) -> Any:  # noqa: ANN401 - one of link.FromHub's members
        """The next message, which must be of this kind."""
        message = await asyncio.wait_for(self._read(), DEADLINE)
        self.reading = None
        assert message is not grpc.aio.EOF, await self.call.code()
        assert message.WhichOneof("body") == kind, message
        return getattr(message, kind)

    async def silence(self, seconds: float = 1.3) -> None:
        """Nothing comes, over more than one of the hub's rounds."""
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._read()), seconds)

    def _read(self) -> asyncio.Task[Any]:
        """The read under way: cancelling one would cancel the whole call."""
        self.reading = self.reading or asyncio.create_task(self.call.read())
        return self.reading

    async def say(self, **body: Any) -> None:  # noqa: ANN401 - one of link.FromAgent's members
        await self.call.write(link.FromAgent(**body))

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """How the hub ended the stream: status and stable code."""
        async with asyncio.timeout(DEADLINE):
            code = await self.call.code()
            await asyncio.gather(*([self.reading] if self.reading else []), return_exceptions=True)
            return code, dict(await self.call.trailing_metadata())["isthmus-code"]


@dataclass
class Rig:
    """A hub, its feed and its CA."""

    hub: Hub
    feed: MemoryFeed
    ca: Issuer
    link_address: str
    enrolment_address: str
    channels: list[grpc.aio.Channel] = field(default_factory=list)

    def certificate(self, agent: AgentId, *, ca: Issuer | None = None, days_ago: float = 0) -> Identity:
        """A link certificate made without the hub, with a key of its own."""
        key, then = new_key(), datetime.now(UTC) - timedelta(days=days_ago)
        serial = x509.random_serial_number()
        return Identity(key, link_ca.agent(ca or self.ca, agent, key.public_key(), serial=serial, now=then))

    def enrolled(self, place: Place, name: str = "a-0", *, days_ago: float = 0) -> tuple[AgentId, Identity]:
        """A replica that joined so many days ago."""
        agent = AgentId(place.org, place.id, name)
        who = self.certificate(agent, days_ago=days_ago)
        self.feed.members[agent] = Member(csr.key_sha256(who.key.public_key()))
        return agent, who

    def workload(self, place: Place, agent: AgentId) -> Identity:
        """What a cluster's own root could make to pass for an agent: a leaf with the agent's SPIFFE ID."""
        key, now = new_key(), datetime.now(UTC)
        template = Template(
            key.public_key(), 7, now, now + timedelta(hours=1), place.root.certificate, uris=(agent.uri(),), client=True
        )
        return Identity(key, place.root.signer.issue(template))

    def hub_certificate(self) -> Identity:
        """What the hub itself shows."""
        key = new_key()
        serial = x509.random_serial_number()
        return Identity(
            key, link_ca.server(self.ca, ["127.0.0.1"], key.public_key(), serial=serial, now=datetime.now(UTC))
        )

    async def replica(self, place: Place, name: str = "a-0") -> Identity:
        """An enrolled replica of a cluster."""
        key = new_key()
        joined = await self.join(self.feed.token(place), key, name)
        return Identity(key, chain.parse_pem(joined.certificate_pem)[0])

    def enrol(self) -> "link_pb2_grpc.EnrolmentAsyncStub":
        root = chain.to_pem([self.ca.certificate])
        channel = grpc.aio.secure_channel(self.enrolment_address, grpc.ssl_channel_credentials(root))
        self.channels.append(channel)
        return link_pb2_grpc.EnrolmentStub(channel)

    async def join(self, token: str, key: ec.EllipticCurvePrivateKey, name: str = "a-0") -> link.LinkCertificate:
        request = link.JoinRequest(token=token, csr_der=csr.make(key), replica=name)
        return await self.enrol().Join(request, timeout=DEADLINE)

    def dial(self, credentials: grpc.ChannelCredentials) -> Any:  # noqa: ANN401 - grpc's call is untyped
        channel = grpc.aio.secure_channel(self.link_address, credentials, options=OPTIONS)
        self.channels.append(channel)
        return link_pb2_grpc.LinkStub(channel).Connect(timeout=60)

    async def connect(self, who: Identity, **hello: Any) -> Agent:  # noqa: ANN401 - link.Hello's fields
        call = self.dial(who.credentials(self.ca.certificate))
        await call.write(link.FromAgent(hello=link.Hello(version="test", **hello)))
        agent = Agent(call, link.Welcome())
        agent.welcome = await agent.next("welcome")
        return agent

    async def refused(self, who: Identity, **hello: Any) -> tuple[grpc.StatusCode, str]:  # noqa: ANN401
        """How a stream that must not open ends."""
        call = self.dial(who.credentials(self.ca.certificate))
        await call.write(link.FromAgent(hello=link.Hello(version="test", **hello)))
        return await Agent(call, link.Welcome()).ended()


@asynccontextmanager
async def running(feed: MemoryFeed, timing: Timing | None = None, ca: Issuer | None = None) -> AsyncIterator[Rig]:
    """A hub on free ports."""
    authority = ca or new_link_ca()
    hub = Hub(feed, authority, Here("hub-1", feed.region, "127.0.0.1:1", "127.0.0.1:1"), timing=timing)
    link_port, enrolment_port = await hub.start("127.0.0.1:0", "127.0.0.1:0")
    rig = Rig(hub, feed, authority, f"127.0.0.1:{link_port}", f"127.0.0.1:{enrolment_port}")
    feed.links = (rig.link_address,)
    try:
        yield rig
    finally:
        await asyncio.gather(*(channel.close() for channel in rig.channels))
        await hub.stop(0)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with running(MemoryFeed()) as made:
        yield made
