"""A control plane without processes: clusters registered, a mesh accepted, and agents that answer through the feed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from gateway.feeds.store import StoreFeed
from gateway.proto import link_pb2 as link
from isthmus.adapters.sealer import Sealer
from isthmus.model.definition import Definition
from isthmus.store import tables
from isthmus.store.authorities import Authorities
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.deliveries import Deliveries
from isthmus.store.meshes import Meshes
from isthmus.store.replicas import Replicas
from isthmus.store.revisions import Revisions
from isthmus.values import BASE_DOMAIN, AgentId, TrustDomain
from isthmus.xds.snapshot import AGENT_VIEW, Manifest
from tests.conftest import ACCOUNT
from tests.databases import Copy, libpq
from workers.compile import bring_to_head
from workers.rollout import Step
from workers.warm import Warm

KEY = b"k" * 32
SEALER = Sealer(bytes(32))
REGIONS = {"east": "us-east-1", "west": "eu-west-1"}


def unsigned(_authority: tables.Authority, _agent: AgentId, _csr: bytes) -> link.IntermediateCertificate:
    """Nothing here asks for an intermediate."""
    raise AssertionError("no intermediate is asked for here")


@dataclass
class Region:
    """One org's mesh `shop` on two clusters, and the feed their hub would use."""

    database: Database
    org: UUID
    feed: StoreFeed
    mesh: UUID
    clusters: Mapping[str, UUID]
    epochs: dict[str, int] = field(default_factory=dict)
    warm: Warm = field(default_factory=Warm)

    @classmethod
    def of(cls, copy: Copy, database: Database, org: UUID, names: Sequence[str] = ("east", "west")) -> "Region":
        """Clusters with an enrolled replica each, and an empty mesh."""
        now, clusters = datetime.now(UTC), {}
        with database.tenant(org) as session:
            for name in names:
                row = Clusters(session, org).create(name, REGIONS[name], name, now=now)
                clusters[name] = row.id
                domain = TrustDomain.of(name, row.trust_generation, "acme").text
                Authorities(session, org).add(row.id, domain, b"", b"", now + timedelta(days=1))
                Replicas(session, org).enrol(AgentId(org, row.id, "a"), KEY, now + timedelta(days=1))
            mesh = Meshes(session, org).create(ACCOUNT, "us-east-1", "shop", now=now).id
        return cls(database, org, StoreFeed(database, libpq(copy.url), unsigned, SEALER), mesh, clusters)

    def agent(self, cluster: str) -> AgentId:
        """The one replica of a cluster."""
        return AgentId(self.org, self.clusters[cluster], "a")

    async def connect(self, *clusters: str) -> None:
        """Open a stream and say something, which makes the cluster live."""
        for name in clusters or tuple(self.clusters):
            admitted = await self.feed.admit(self.agent(name), KEY, link.Hello(version="1"), "hub")
            self.epochs[name] = admitted.epoch
            await self.apply(name)

    async def apply(self, cluster: str) -> Sequence[link.Offer]:
        """Take every offer, and say so in a heartbeat."""
        offers = await self.feed.offers(self.agent(cluster))
        beat = link.Heartbeat(applied=[o.position for o in offers])
        await self.post(cluster, link.FromAgent(heartbeat=beat))
        return offers

    async def answer(self, cluster: str, *, connected: int = 1, acked: int | None = None, nack: str = "") -> None:
        """Take every offer and report `connected` proxies a view, `acked` of them (default: all) up to date."""
        for offer in await self.apply(cluster):
            manifest = Manifest.parse(offer.manifest)
            views = [
                link.ViewAcks(
                    mesh=offer.position.mesh,
                    manifest=offer.position.version,
                    generation=offer.position.generation,
                    view=view,
                    version=manifest.view_version(view),
                    connected=connected,
                    acked=connected if acked is None else acked,
                    stragglers=[] if acked is None else ["late"],
                    nacks=[link.Nack(proxy="p", type="rds", name="outbound", message=nack)] if nack else [],
                    last_ack=datetime.now(UTC).timestamp(),
                )
                for view in manifest.views
                if view != AGENT_VIEW
            ]
            await self.post(cluster, link.FromAgent(acks=link.Acks(views=views)))

    async def post(self, cluster: str, message: link.FromAgent) -> None:
        """Say something as the cluster's agent."""
        await self.feed.post(self.agent(cluster), self.epochs[cluster], message)

    def accept(self, definition: Definition) -> int:
        """Accept a whole definition; the revision."""
        with self.database.tenant(self.org) as session:
            revisions = Revisions(session, self.org, self.mesh)
            return revisions.replace(
                definition, expected=None, author="test", reason="test", now=datetime.now(UTC)
            ).revision

    def compile(self) -> int | None:
        """Do what the compile task does."""
        with self.database.tenant(self.org) as session:
            return bring_to_head(session, self.org, self.mesh, BASE_DOMAIN, datetime.now(UTC), self.warm)

    def step(self) -> None:
        """Do what the step task does."""
        with self.database.tenant(self.org) as session:
            Step(session, self.org, self.mesh, datetime.now(UTC)).take()

    def status(self, number: int) -> str:
        """A revision's status."""
        with self.database.tenant(self.org) as session:
            row = Revisions(session, self.org, self.mesh).revision(number)
            assert row is not None
            return row.status

    def pointers(self) -> tuple[int, int, int]:
        """The mesh's head, target and live."""
        with self.database.tenant(self.org) as session:
            row = session.get_one(tables.Mesh, (self.org, self.mesh))
            return row.head, row.target, row.live

    def offered(self, number: int) -> list[tuple[str, str]]:
        """(phase, cluster) of everything offered for a revision, in order."""
        names = {cluster: name for name, cluster in self.clusters.items()}
        with self.database.tenant(self.org) as session:
            rows = Deliveries(session, self.org, self.mesh).of_revision(number)
            return sorted((r.phase, names[r.cluster_id]) for r in rows)

    async def bring_live(self, definition: Definition) -> int:
        """Accept, compile and answer until nothing more is offered."""
        number = self.accept(definition)
        self.compile()
        for _ in range(4):
            self.step()
            for cluster in self.epochs:
                await self.answer(cluster)
        self.step()
        return number
