"""The hub's feed in the home region: straight from the store.

Every call is one short transaction bound to the org that the agent's certificate names; it runs in a thread, because
stores are synchronous. Nothing here believes a message about who it comes from.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from gateway.feeds import signers
from gateway.feeds.managed import managed
from gateway.feeds.messages import imports_of, offer_of, trust_of
from gateway.feeds.signing import Issue
from gateway.hub.feed import Admitted, Here, Joined
from gateway.hub.signatures import claim_in
from gateway.proto import link_pb2 as link
from isthmus.errors import Denied, Invalid, Unavailable
from isthmus.store import hubs, join_tokens, tables
from isthmus.store.access_keys import Sealer
from isthmus.store.attachments import clusters_of, meshes_of
from isthmus.store.authorities import Authorities
from isthmus.store.database import Database
from isthmus.store.deliveries import Deliveries, record
from isthmus.store.promises import Promises
from isthmus.store.replicas import Replicas
from isthmus.store.snapshots import bodies
from isthmus.store.topology import Topology
from isthmus.values import AgentId

T = TypeVar("T")
EVERYTHING = UUID(int=0)
"""What `changes` yields when any cluster may be concerned."""
_CHECKS_AT_ONCE = 2
"""Signatures checked at once for all agents of a hub: the database's other connections are for what agents report."""


class StoreFeed:
    """`gateway.hub.feed.Feed` on PostgreSQL. `issue` signs a replica's intermediate with its cluster's authority.

    `sealer` opens the secrets of access keys.
    """

    def __init__(self, database: Database, listen: str, issue: Issue, sealer: Sealer) -> None:
        """`listen` is the libpq address for LISTEN, on a connection of its own."""
        self._database, self._listen, self._issue, self._sealer = database, listen, issue, sealer
        self._checks = asyncio.Semaphore(_CHECKS_AT_ONCE)

    async def _run(self, org: UUID, work: Callable[[Session], T]) -> T:
        def inside() -> T:
            with self._database.tenant(org) as session:
                return work(session)

        return await _reached(inside)

    async def announce(self, hub: Here) -> None:
        """Say that this hub is up; agents are told of it."""

        def inside() -> None:
            with self._database.system() as session:
                hubs.announce(session, hub.name, hub.region, hub.link, hub.enrolment)

        await asyncio.to_thread(inside)

    async def join(self, token_sha256: bytes, replica: str, key_sha256: bytes, expires: datetime) -> Joined:
        """Spend a join token; see the protocol."""

        def spend() -> tuple[UUID, UUID]:
            with self._database.system() as session:
                found = join_tokens.redeem(session, token_sha256)
            if found is None:
                raise Denied("the join token is unknown, used or expired")
            return found

        org, cluster = await asyncio.to_thread(spend)
        agent = AgentId(org, cluster, replica)
        return await self._run(org, lambda session: self._joined(session, agent, key_sha256, expires))

    async def renew(self, agent: AgentId, held_sha256: bytes, key_sha256: bytes, expires: datetime) -> Joined:
        """A renewal of a known, not evicted replica whose key on record is one of the two."""

        def work(session: Session) -> Joined:
            if Replicas(session, agent.org).known(agent).key_hash not in {held_sha256, key_sha256}:
                raise Denied(f"replica {agent.replica} has enrolled anew with another key")
            return self._joined(session, agent, key_sha256, expires)

        return await self._run(agent.org, work)

    def _joined(self, session: Session, agent: AgentId, key_sha256: bytes, expires: datetime) -> Joined:
        Replicas(session, agent.org).enrol(agent, key_sha256, expires)
        cluster, slug = _whose(session, agent)
        links = tuple(hub.link for hub in hubs.fresh(session, cluster.region))
        return Joined(agent, slug, cluster.name, links)

    async def admit(self, agent: AgentId, key_sha256: bytes, hello: link.Hello, hub: str) -> Admitted:
        """Open a stream."""

        def work(session: Session) -> Admitted:
            said = {"version": hello.version, "features": list(hello.features), "hub": hub}
            epoch = Replicas(session, agent.org).admit(agent, key_sha256, hello.epoch, said)
            cluster, slug = _whose(session, agent)
            domain = Authorities(session, agent.org).active(cluster.id).trust_domain
            return Admitted(epoch, slug, cluster.name, cluster.region, domain)

        return await self._run(agent.org, work)

    async def confirm(self, agent: AgentId, epoch: int) -> None:
        """Denied if the replica has been evicted or fenced since."""
        await self._run(agent.org, lambda session: _confirm(session, agent, epoch))

    async def withdrawn(self, agent: AgentId, meshes: Sequence[str]) -> Sequence[link.Withdraw]:
        """Of these meshes, those that were deleted; a detached cluster is offered an empty manifest instead."""

        def work(session: Session) -> Sequence[link.Withdraw]:
            gone = Deliveries.deleted(session, agent.org, [_mesh_id(m) for m in meshes])
            return [link.Withdraw(mesh=str(m), sequence=int(_clock(session).timestamp() * 1_000_000)) for m in gone]

        return await self._run(agent.org, work)

    async def offers(self, agent: AgentId) -> Sequence[link.Offer]:
        """The newest delivery of every mesh that the cluster has ever had something of."""

        def work(session: Session) -> Sequence[link.Offer]:
            return [offer_of(row) for row in Deliveries.newest_of_all(session, agent.org, agent.cluster)]

        return await self._run(agent.org, work)

    async def bodies(self, agent: AgentId, versions: Sequence[str]) -> Mapping[str, link.Body]:
        """Resource bodies of the agent's own org."""

        def work(session: Session) -> Mapping[str, link.Body]:
            rows = bodies(session, agent.org, versions)
            return {r.version: link.Body(version=r.version, type=r.type, name=r.name, body=r.body) for r in rows}

        return await self._run(agent.org, work)

    async def trust(self, agent: AgentId) -> link.Trust:
        """The roots of every cluster that shares a mesh with this one, its own included."""

        def work(session: Session) -> link.Trust:
            own, _ = _whose(session, agent)
            near = {own.id: own}
            for mesh in meshes_of(session, agent.org, own.name):
                near |= {c.id: c for c in clusters_of(session, agent.org, mesh)}
            return trust_of(Authorities(session, agent.org).trusted(list(near)), near, _clock(session))

        return await self._run(agent.org, work)

    async def certificates(self, agent: AgentId) -> link.Certificates:
        """What the cluster's newest deliveries name, of the agent's own org; see the protocol."""

        def work(session: Session) -> link.Certificates:
            return managed(session, self._sealer, agent, _clock(session))

        return await self._run(agent.org, work)

    async def imports(self, agent: AgentId) -> Sequence[link.Imports]:
        """The other clusters' instances, a message per mesh."""

        def work(session: Session) -> Sequence[link.Imports]:
            own, _ = _whose(session, agent)
            topology = Topology(session, agent.org)
            meshes, now = meshes_of(session, agent.org, own.name), _clock(session)
            return [imports_of(mesh, topology.imports(own.id, mesh), now) for mesh in meshes]

        return await self._run(agent.org, work)

    async def sent(self, agent: AgentId, position: link.Position) -> None:
        """Note when an offer left for the agent, the first time."""

        def work(session: Session) -> None:
            key = (agent.org, _mesh_id(position.mesh), agent.cluster, position.sequence)
            row = session.get(tables.Delivery, key)
            if row is not None and row.sent_at is None:
                row.sent_at = datetime.now(UTC)

        await self._run(agent.org, work)

    async def post(self, agent: AgentId, epoch: int, message: link.FromAgent) -> None:
        """Write down what an agent says."""

        def work(session: Session) -> None:
            replica = Replicas(session, agent.org).current(agent, epoch)
            match message.WhichOneof("body"):
                case "heartbeat":
                    self._heartbeat(session, replica, message.heartbeat)
                case "summary":
                    self._summary(session, agent, message.summary)
                case "acks":
                    self._acks(session, agent, message.acks)
                case "refusal":
                    self._refusal(session, agent, message.refusal)

        await self._run(agent.org, work)

    def _heartbeat(self, session: Session, replica: tables.Replica, beat: link.Heartbeat) -> None:
        """Renew the lease; an applied position proves that a cluster without proxies has taken its offer, too."""
        applied = [MessageToDict(p, preserving_proto_field_name=True) for p in beat.applied]
        Replicas(session, replica.org_id).beat(replica, applied, beat.wardens, beat.proxies)
        for position in beat.applied:
            if position.lane != link.DEFINITION:
                continue
            mesh = _mesh_id(position.mesh)
            row = Deliveries(session, replica.org_id, mesh).newest(replica.cluster_id)
            if row is not None and row.version == position.version and row.applied_at is None:
                row.applied_at = datetime.now(UTC)
                _step(session, replica.org_id, mesh)

    def _summary(self, session: Session, agent: AgentId, summary: link.Summary) -> None:
        content = _whole(summary)
        del content["generation"], content["mesh"]
        Topology(session, agent.org).summarise(agent.cluster, _mesh_id(summary.mesh), summary.generation, content)

    def _acks(self, session: Session, agent: AgentId, acks: link.Acks) -> None:
        """Counts of a version that is no longer the cluster's newest are history and change nothing."""
        for view in acks.views:
            mesh = _mesh_id(view.mesh)
            row = Deliveries(session, agent.org, mesh).newest(agent.cluster, lock=True)
            if row is None or row.version != view.manifest:
                continue
            if record(row, agent.replica, view.view, _said(view), datetime.now(UTC)):
                _step(session, agent.org, mesh)

    def _refusal(self, session: Session, agent: AgentId, refusal: link.Refusal) -> None:
        """An agent that will not apply an offer counts as a refusal of the revision, in its own words."""
        mesh = _mesh_id(refusal.position.mesh)
        row = Deliveries(session, agent.org, mesh).newest(agent.cluster, lock=True)
        if row is None or row.version != refusal.position.version:
            return
        nack = {"proxy": f"agent/{agent.replica}", "type": "", "name": refusal.resource, "message": refusal.reason}
        said = _said(link.ViewAcks(version=row.version)) | {"nacks": [nack | {"version": row.version}]}
        if record(row, agent.replica, "agent", said, datetime.now(UTC)):
            _step(session, agent.org, mesh)

    async def intermediate(self, agent: AgentId, csr_der: bytes) -> link.IntermediateCertificate:
        """Sign the replica's intermediate with its cluster's active authority."""

        def work(session: Session) -> tables.Authority:
            Replicas(session, agent.org).known(agent)
            authority = Authorities(session, agent.org).active(agent.cluster)
            session.expunge(authority)
            return authority

        authority = await self._run(agent.org, work)
        return await asyncio.to_thread(self._issue, authority, agent, csr_der)

    async def signer(self, agent: AgentId, question: link.SignatureQuestion, now: datetime) -> str:
        """Whose key signed this; see the protocol."""
        claim = claim_in(question, now)

        def inside() -> str:
            with self._database.system() as session:
                return signers.signer(session, self._sealer, agent, claim, question.to_sign)

        async with self._checks:
            return await _reached(inside)

    async def changes(self) -> AsyncIterator[UUID]:
        """Wakes on NOTIFY and at least once a second; reconnects by itself."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._listen, autocommit=True) as connection:
                    await connection.execute("LISTEN cluster")
                    while True:
                        yield EVERYTHING
                        async for note in connection.notifies(timeout=1.0):
                            yield UUID(note.payload)
            except psycopg.OperationalError:
                yield EVERYTHING
                await asyncio.sleep(0.5)


async def _reached(work: Callable[[], T]) -> T:
    """The result of database work in a thread; Unavailable while the database is away, which ends no agent's stream."""
    try:
        return await asyncio.to_thread(work)
    except (OperationalError, PoolTimeout) as away:
        raise Unavailable("the database does not answer") from away


def _mesh_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid.one("/mesh", "not_a_mesh_id", f"{text!r} is no mesh id") from None


def _clock(session: Session) -> datetime:
    """Database time, which all hubs share."""
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return now


def _confirm(session: Session, agent: AgentId, epoch: int) -> None:
    Replicas(session, agent.org).current(agent, epoch)


def _whose(session: Session, agent: AgentId) -> tuple[tables.Cluster, str]:
    cluster = session.get(tables.Cluster, (agent.org, agent.cluster))
    org = session.get(tables.Org, agent.org)
    if cluster is None or org is None:
        raise Denied("the cluster is no longer registered")
    return cluster, org.slug


def _whole(message: Message) -> dict[str, Any]:
    """A message as JSON with every field, so that equal content is equal text."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _said(view: link.ViewAcks) -> dict[str, Any]:
    """One replica's counts of one view, as `deliveries.views` keeps them."""
    nacks = [_whole(n) for n in view.nacks]
    return {
        "version": view.version,
        "connected": view.connected,
        "acked": view.acked,
        "lost": view.lost,
        "stragglers": list(view.stragglers),
        "nacks": nacks,
        "last_ack": view.last_ack,
    }


def _step(session: Session, org: UUID, mesh: UUID) -> None:
    Promises(session, org).make("step", {"mesh": str(mesh)}, once=f"step:{mesh}")
