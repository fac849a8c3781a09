"""A Feed in memory: the second implementation of the protocol, with which a hub is tested without a database.

It keeps the protocol's promises for real: tokens are spent once, epochs fence, an org reads its own bodies only. Tests
change what it holds by `offer`, `bundle`, `export`, `evict`, `keys`, and read what agents said in `posts` and `asked`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.hub.feed import Admitted, Here, Joined
from gateway.hub.signatures import claim_in, unknown_key
from gateway.proto import link_pb2 as link
from isthmus.errors import Denied, Unavailable
from isthmus.pki import authority, chain, csr, issue
from isthmus.pki.signer import Issuer, KeySigner
from isthmus.sigv4 import Mismatch, holds
from isthmus.values import AgentId, Secret, TrustDomain
from isthmus.xds.snapshot import Snapshot

EVERYBODY = UUID(int=0)


@dataclass
class Place:
    """A cluster of an org, with its root and what it is to have."""

    org: UUID
    slug: str
    id: UUID
    name: str
    domain: TrustDomain
    root: Issuer
    offers: dict[str, link.Offer] = field(default_factory=dict)
    trust: link.Trust = field(default_factory=link.Trust)
    imports: dict[str, link.Imports] = field(default_factory=dict)
    certificates: link.Certificates = field(default_factory=link.Certificates)
    sequence: int = 0


@dataclass
class Member:
    """An agent replica as enrolled."""

    key: bytes
    epoch: int = 0
    evicted: bool = False


@dataclass
class Key:
    """An access key, by its id elsewhere."""

    org: UUID
    account: str
    secret: Secret
    active: bool = True


@dataclass
class Token:
    """A join token, by its hash elsewhere."""

    cluster: UUID
    expires: datetime
    used: bool = False


class MemoryFeed:
    """Implements gateway.hub.feed.Feed."""

    def __init__(self, region: str = "us-east-1") -> None:
        self.region = region
        self.links: tuple[str, ...] = ()
        self.places: dict[UUID, Place] = {}
        self.members: dict[AgentId, Member] = {}
        self.tokens: dict[bytes, Token] = {}
        self.keys: dict[str, Key] = {}
        self.contents: dict[UUID, dict[str, link.Body]] = {}
        self.posts: list[tuple[AgentId, link.FromAgent]] = []
        self.left: list[tuple[AgentId, link.Position]] = []
        self.hubs: dict[str, Here] = {}
        self.gone: set[str] = set()
        self.away = False
        self.asked: list[link.SignatureQuestion] = []
        self.checking = asyncio.Event()
        self.checking.set()
        self._watches: set[asyncio.Queue[UUID]] = set()

    # what tests do

    def cluster(self, name: str, slug: str, org: UUID | None = None) -> Place:
        """A new cluster with a trust domain and a root of its own."""
        domain = TrustDomain.of(name, 1, slug)
        signer = KeySigner(ec.generate_private_key(ec.SECP256R1()))
        root = authority.create(signer, domain, serial=x509.random_serial_number(), now=datetime.now(UTC))
        place = Place(org or uuid4(), slug, uuid4(), name, domain, Issuer(signer, root))
        self.places[place.id] = place
        return place

    def token(self, place: Place, life: timedelta = timedelta(minutes=15)) -> str:
        """A join token for the cluster."""
        text = f"join_{uuid4().hex}"
        self.tokens[sha256(text.encode()).digest()] = Token(place.id, datetime.now(UTC) + life)
        return text

    def offer(self, place: Place, mesh: str, snapshot: Snapshot, revision: int = 1) -> link.Offer:
        """The cluster is to have this of a mesh now."""
        place.sequence += 1
        bodies = self.contents.setdefault(place.org, {})
        for version, resource in snapshot.resources.items():
            bodies[version] = link.Body(version=version, type=resource.type, name=resource.name, body=resource.body)
        place.offers[mesh] = link.Offer(
            position=self._position(place, link.DEFINITION, mesh, snapshot.manifest.version, revision),
            phase="contract",
            manifest=snapshot.manifest.text().encode(),
        )
        self._changed(place.id)
        return place.offers[mesh]

    def bundle(self, place: Place, others: Sequence[Place]) -> None:
        """The cluster is to trust the roots of these."""
        place.sequence += 1
        bundles = [
            link.Bundle(trust_domain=o.domain.text, cluster=o.name, roots_pem=[chain.to_pem([o.root.certificate])])
            for o in others
        ]
        version = sha256(b"".join(b.SerializeToString(deterministic=True) for b in bundles)).hexdigest()[:16]
        position = self._position(place, link.TRUST, "", version, place.sequence)
        place.trust = link.Trust(position=position, bundles=bundles)
        self._changed(place.id)

    def export(self, place: Place, mesh: str, peers: Sequence[link.Peer]) -> None:
        """The cluster is to import these."""
        place.sequence += 1
        version = sha256(b"".join(p.SerializeToString(deterministic=True) for p in peers)).hexdigest()[:16]
        position = self._position(place, link.TOPOLOGY, mesh, version, place.sequence)
        place.imports[mesh] = link.Imports(position=position, peers=peers)
        self._changed(EVERYBODY)

    def certify(self, place: Place, certificates: link.Certificates) -> None:
        """The cluster is to have these managed certificates."""
        place.sequence += 1
        version = sha256(certificates.SerializeToString(deterministic=True)).hexdigest()[:16]
        place.certificates.CopyFrom(certificates)
        place.certificates.position.CopyFrom(self._position(place, link.CERTIFICATES, "", version, place.sequence))
        self._changed(place.id)

    def detach(self, place: Place, mesh: str) -> None:
        """The mesh concerns the cluster no more."""
        place.offers.pop(mesh)
        self.gone.add(mesh)
        self._changed(place.id)

    def evict(self, agent: AgentId) -> None:
        """The replica may not speak any more."""
        self.members[agent].evicted = True

    def _position(
        self, place: Place, lane: link.Lane.ValueType, mesh: str, version: str, generation: int
    ) -> link.Position:
        return link.Position(lane=lane, mesh=mesh, sequence=place.sequence, generation=generation, version=version)

    def _changed(self, cluster: UUID) -> None:
        for watch in self._watches:
            watch.put_nowait(cluster)

    # what a hub asks

    def _up(self) -> None:
        if self.away:
            raise Unavailable("the feed is away")

    def _place(self, agent: AgentId) -> Place:
        place = self.places.get(agent.cluster)
        if place is None or place.org != agent.org:
            raise Denied("there is no such cluster in this org")
        return place

    def _member(self, agent: AgentId) -> Member:
        self._up()
        member = self.members.get(agent)
        if member is None or member.evicted:
            raise Denied(f"replica {agent.replica} is unknown or evicted")
        return member

    async def join(self, token_sha256: bytes, replica: str, key_sha256: bytes, expires: datetime) -> Joined:
        """Spend a token."""
        self._up()
        token = self.tokens.get(token_sha256)
        if token is None or token.used or token.expires <= datetime.now(UTC):
            raise Denied("the join token is unknown, used or expired")
        token.used = True
        place = self.places[token.cluster]
        agent = AgentId(place.org, place.id, replica)
        self.members[agent] = Member(key_sha256)
        return Joined(agent, place.slug, place.name, self.links)

    async def renew(self, agent: AgentId, held_sha256: bytes, key_sha256: bytes, expires: datetime) -> Joined:
        """Certify the next key of a known replica."""
        member, place = self._member(agent), self._place(agent)
        if member.key not in {held_sha256, key_sha256}:
            raise Denied(f"replica {agent.replica} has another key by now")
        member.key = key_sha256
        return Joined(agent, place.slug, place.name, self.links)

    async def admit(self, agent: AgentId, key_sha256: bytes, hello: link.Hello, hub: str) -> Admitted:
        """Open a stream under the next epoch."""
        member, place = self._member(agent), self._place(agent)
        if member.key != key_sha256:
            raise Denied(f"replica {agent.replica} has another key by now")
        if hello.epoch and hello.epoch < member.epoch:
            raise Denied(f"epoch {hello.epoch} of {agent.replica} is fenced")
        member.epoch += 1
        return Admitted(member.epoch, place.slug, place.name, self.region, place.domain.text)

    async def confirm(self, agent: AgentId, epoch: int) -> None:
        """Whether it may still speak."""
        if self._member(agent).epoch != epoch:
            raise Denied(f"epoch {epoch} of {agent.replica} is fenced")

    async def offers(self, agent: AgentId) -> Sequence[link.Offer]:
        """Without bodies."""
        self._up()
        return list(self._place(agent).offers.values())

    async def withdrawn(self, agent: AgentId, meshes: Sequence[str]) -> Sequence[link.Withdraw]:
        """Those that were detached."""
        return [link.Withdraw(mesh=m, sequence=self._place(agent).sequence) for m in meshes if m in self.gone]

    async def bodies(self, agent: AgentId, versions: Sequence[str]) -> Mapping[str, link.Body]:
        """Of the agent's own org."""
        self._up()
        own = self.contents.get(agent.org, {})
        return {version: own[version] for version in versions if version in own}

    async def trust(self, agent: AgentId) -> link.Trust:
        """The bundles now. Like the store's, this lane is read and not stored: its sequence grows with every look."""
        self._up()
        trust = self._place(agent).trust
        trust.position.sequence += bool(trust.bundles)
        return trust

    async def certificates(self, agent: AgentId) -> link.Certificates:
        """Those of the place, with another sequence at each look, as the store's."""
        self._up()
        certificates = self._place(agent).certificates
        certificates.position.sequence += bool(certificates.certificates)
        return certificates

    async def imports(self, agent: AgentId) -> Sequence[link.Imports]:
        """One a mesh."""
        self._up()
        return list(self._place(agent).imports.values())

    async def sent(self, agent: AgentId, position: link.Position) -> None:
        """Note it."""
        self.left.append((agent, position))

    async def post(self, agent: AgentId, epoch: int, message: link.FromAgent) -> None:
        """Note it, unless fenced."""
        await self.confirm(agent, epoch)
        self.posts.append((agent, message))

    async def intermediate(self, agent: AgentId, csr_der: bytes) -> link.IntermediateCertificate:
        """Sign with the cluster's root."""
        self._up()
        key, place = csr.parse(csr_der), self._place(agent)
        serial = x509.random_serial_number()
        made = issue.intermediate(place.root, place.domain, agent.replica, key, serial=serial, now=datetime.now(UTC))
        root = chain.to_pem([place.root.certificate])
        return link.IntermediateCertificate(
            chain_pem=chain.to_pem([made]), root_pem=root, trust_domain=place.domain.text
        )

    async def signer(self, agent: AgentId, question: link.SignatureQuestion, now: datetime) -> str:
        """The account of the key, while `checking` is set."""
        self.asked.append(question)
        await self.checking.wait()
        self._up()
        claim = claim_in(question, now)
        key = self.keys.get(claim.key)
        if key is None or not key.active or key.org != agent.org:
            raise unknown_key()
        if not holds(key.secret, claim, question.to_sign):
            raise Mismatch
        return key.account

    async def announce(self, hub: Here) -> None:
        """Note it."""
        self._up()
        self.hubs[hub.name] = hub

    async def changes(self) -> AsyncIterator[UUID]:
        """At once, and once a second."""
        watch: asyncio.Queue[UUID] = asyncio.Queue()
        self._watches.add(watch)
        try:
            while True:
                self._up()
                try:
                    yield await asyncio.wait_for(watch.get(), 1)
                except TimeoutError:
                    yield EVERYBODY
        finally:
            self._watches.discard(watch)
