"""deliveries: what was offered to which cluster, and what its proxies said of it.

The newest row of a (mesh, cluster) is what the cluster is to have; the rows before it are history and the base of the
next rollout. Sequences come from the cluster's row, so all that a cluster is sent has one order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from isthmus.rollout.verdicts import Counts, Standing, total
from isthmus.store import tables
from isthmus.store.snapshots import managed
from isthmus.xds.origins import Known, origin, told
from isthmus.xds.snapshot import NOTHING, Manifest, Phase

REPLICA_FRESH = timedelta(seconds=15)
"""Counts of a replica that has said nothing for so long no longer stand for its cluster."""


class Deliveries:
    """Offers of one mesh."""

    def __init__(self, session: Session, org: UUID, mesh: UUID) -> None:
        self._session, self._org, self._mesh = session, org, mesh

    def newest(self, cluster: UUID, *, lock: bool = False) -> tables.Delivery | None:
        """What the cluster is to have now."""
        row = tables.Delivery
        mine = (row.org_id == self._org, row.mesh_id == self._mesh, row.cluster_id == cluster)
        query = select(row).where(*mine).order_by(row.sequence.desc()).limit(1)
        return self._session.scalars(query.with_for_update() if lock else query).first()

    @staticmethod
    def newest_of_all(session: Session, org: UUID, cluster: UUID) -> Sequence[tables.Delivery]:
        """What a cluster is to have now, of every mesh."""
        row = tables.Delivery
        mine = select(row).where(row.org_id == org, row.cluster_id == cluster)
        each = mine.ext(distinct_on(row.mesh_id)).order_by(row.mesh_id, row.sequence.desc())
        return session.scalars(each).all()

    def offered(self, cluster: UUID) -> Manifest:
        """The content of `newest`; nothing if nothing was ever offered."""
        row = self.newest(cluster)
        return NOTHING if row is None else Manifest.parse(row.manifest)

    def clusters(self) -> Sequence[UUID]:
        """Every cluster that was ever offered this mesh and still is to have something of it."""
        row = tables.Delivery
        mine = select(row.cluster_id).where(row.org_id == self._org, row.mesh_id == self._mesh).distinct()
        return [c for c in self._session.scalars(mine) if self.offered(c) != NOTHING]

    def offer(self, cluster: UUID, revision: int, phase: Phase, manifest: Manifest) -> tables.Delivery:
        """Offer a version: the hub is woken by the insert. Expected to answer: a cluster that is live now."""
        place = tables.Cluster
        bump = (
            update(place)
            .where(place.org_id == self._org, place.id == cluster)
            .values(sequence=place.sequence + 1)
            .returning(place.sequence, place.state)
        )
        sequence, state = self._session.execute(bump).one()
        row = tables.Delivery(
            org_id=self._org,
            mesh_id=self._mesh,
            cluster_id=cluster,
            sequence=sequence,
            revision=revision,
            phase=phase,
            version=manifest.version,
            manifest=manifest.text(),
            expected=state == "live",
            managed=list(managed(self._session, self._org, manifest)),
        )
        self._session.add(row)
        self._session.flush()
        return row

    @staticmethod
    def managed_of_all(session: Session, org: UUID, cluster: UUID) -> frozenset[str]:
        """The ARNs that a cluster's newest deliveries name, of every mesh: what it may have the keys of."""
        row = tables.Delivery
        mine = select(row.managed).where(row.org_id == org, row.cluster_id == cluster)
        each = mine.ext(distinct_on(row.mesh_id)).order_by(row.mesh_id, row.sequence.desc())
        return frozenset(arn for listed in session.scalars(each) for arn in listed)

    @staticmethod
    def deleted(session: Session, org: UUID, meshes: Sequence[UUID]) -> Sequence[UUID]:
        """Of these meshes, those that the org has deleted or never had."""
        row = tables.Mesh
        alive = select(row.id).where(row.org_id == org, row.id.in_(meshes), row.deleted_at.is_(None))
        return sorted(set(meshes) - set(session.scalars(alive)))

    def of_revision(self, revision: int) -> Sequence[tables.Delivery]:
        """Everything offered for a revision, oldest first."""
        row = tables.Delivery
        mine = (row.org_id == self._org, row.mesh_id == self._mesh, row.revision == revision)
        return self._session.scalars(select(row).where(*mine).order_by(row.sequence)).all()

    def standing(self, delivery: tables.Delivery) -> Standing:
        """Where the cluster stands towards a delivery, counting only replicas that still speak."""
        name = self._session.scalars(select(tables.Cluster.name).where(tables.Cluster.id == delivery.cluster_id)).one()
        return Standing(name, delivery.applied_at is not None, delivery.expected, self.counts(delivery))

    def counts(self, delivery: tables.Delivery) -> Counts:
        """The delivery's proxies, summed; each refusal with its view and the document that made what was refused."""
        speaking = set(self._speaking(delivery.cluster_id))
        counts = total(
            said | {"nacks": [{"view": view} | nack for nack in said["nacks"]]}
            for replica, views in delivery.views.items()
            if replica in speaking
            for view, said in views.items()
        )
        return replace(counts, nacks=tuple(self._traced(delivery, counts.nacks))) if counts.nacks else counts

    def _traced(self, delivery: tables.Delivery, nacks: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Refusals with `resource: {kind, name}`, null for a name that this release does not make."""
        mesh = self._session.get_one(tables.Mesh, (self._org, self._mesh))
        known = Known.by(mesh.name, mesh.id, Manifest.parse(delivery.manifest))
        for nack in nacks:
            yield dict(nack) | {"resource": told(origin(nack["name"], nack["view"], known))}

    def _speaking(self, cluster: UUID) -> Sequence[str]:
        row = tables.Replica
        fresh = row.seen_at > func.now() - REPLICA_FRESH
        return self._session.scalars(
            select(row.name).where(row.org_id == self._org, row.cluster_id == cluster, row.evicted_at.is_(None), fresh)
        ).all()


def record(delivery: tables.Delivery, replica: str, view: str, said: Mapping[str, Any], now: datetime) -> bool:
    """Enter what one replica says of one view; whether that changes anything.

    `acked_at` is the time of the newest ACK while every proxy counted so far has acked, and null when one has not. Who
    ran the content before it was offered has acked it when it was offered.
    """
    views = {r: dict(v) for r, v in delivery.views.items()}
    if views.get(replica, {}).get(view) == said and delivery.applied_at is not None:
        return False
    views.setdefault(replica, {})[view] = dict(said)
    delivery.views = views
    delivery.applied_at = delivery.applied_at or now
    counts = total(v for each in views.values() for v in each.values())
    whole = counts.connected == counts.acked and not counts.nacks
    newest = max(datetime.fromtimestamp(counts.last_ack, UTC), delivery.offered_at)
    delivery.acked_at = newest if whole and counts.last_ack else None
    return True
