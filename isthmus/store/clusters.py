"""clusters: where an org's workloads run. Deleting one frees its name, but never its trust domain (design §8)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.errors import InUse, NameTaken, NotFound
from isthmus.store import orgs, tables


class Clusters:
    """The clusters of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def create(self, name: str, region: str, network: str, *, now: datetime) -> tables.Cluster:
        """Register a cluster; NameTaken. Its `trust_generation` begins with the number of its trust domain.

        The number is one that no cluster of this name ever had, so a root that outlives its cluster proves nothing.
        """
        row = tables.Cluster
        made = insert(row).values(
            org_id=self._org, id=uuid4(), name=name, region=region, network=network, created_at=now
        )
        cluster = self._session.scalars(made.on_conflict_do_nothing().returning(row)).one_or_none()
        if cluster is None:
            raise NameTaken(f"there is a cluster {name} already")
        cluster.trust_generation = self._next_domain(name)
        self._session.flush()
        return cluster

    def get(self, name: str) -> tables.Cluster:
        """The cluster of that name; NotFound."""
        row = tables.Cluster
        found = self._session.scalars(select(row).where(row.org_id == self._org, row.name == name)).one_or_none()
        if found is None:
            raise NotFound(f"there is no cluster {name}")
        return found

    def list(self, after: str | None, limit: int) -> Sequence[tables.Cluster]:
        """Up to `limit` clusters by name, after that one."""
        row = tables.Cluster
        query = select(row).where(row.org_id == self._org)
        query = query if after is None else query.where(row.name > after)
        return self._session.scalars(query.order_by(row.name).limit(limit)).all()

    def delete(self, name: str) -> None:
        """Forget a cluster with its agents, roots and history; NotFound, or InUse while it is attached to a mesh."""
        row = tables.Cluster
        mine = (row.org_id == self._org, row.name == name)
        # Whoever is attaching it holds a share of this lock, so what follows sees the attachment.
        if self._session.scalars(select(row.id).where(*mine).with_for_update()).one_or_none() is None:
            raise NotFound(f"there is no cluster {name}")
        meshes = self._attached_to(name)
        if meshes:
            raise InUse(f"cluster {name}", [f"Mesh {mesh}" for mesh in meshes])
        self._session.execute(delete(row).where(*mine))

    def _attached_to(self, name: str) -> Sequence[str]:
        row, mesh = tables.ResourceVersion, tables.Mesh
        query = select(mesh.name).join(row, (row.org_id == mesh.org_id) & (row.mesh_id == mesh.id))
        attached = (row.kind == "Attachment", row.key == name, row.to_revision.is_(None))
        return self._session.scalars(query.where(mesh.org_id == self._org, *attached)).all()

    def _next_domain(self, name: str) -> int:
        row = tables.SpentSequence
        slug = orgs.find(self._session, self._org).slug
        first = insert(row).values(org_slug=slug, cluster=name, generation=1)
        next_one = first.on_conflict_do_update(
            index_elements=["org_slug", "cluster"], set_={"generation": row.generation + 1}
        )
        return self._session.scalars(next_one.returning(row.generation)).one()
