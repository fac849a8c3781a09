"""attachments: which clusters take part in which mesh, and where its virtual nodes may run.

Read from the standing documents, so topology and trust follow the newest accepted definition without a compile.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from isthmus.store import tables


def clusters_of(session: Session, org: UUID, mesh: UUID) -> Sequence[tables.Cluster]:
    """The attached clusters of a mesh, by name."""
    place = tables.Cluster
    names = [key for key, _ in _standing(session, org, mesh, "Attachment")]
    return session.scalars(select(place).where(place.org_id == org, place.name.in_(names)).order_by(place.name)).all()


def meshes_of(session: Session, org: UUID, cluster: str) -> Sequence[UUID]:
    """The meshes that a cluster takes part in."""
    row, mesh = tables.ResourceVersion, tables.Mesh
    attached = (row.org_id == org, row.kind == "Attachment", row.key == cluster, row.to_revision.is_(None))
    alive = (mesh.org_id == org, mesh.id == row.mesh_id, mesh.deleted_at.is_(None))
    return session.scalars(
        select(row.mesh_id).join(mesh, alive[1]).where(*attached, *alive).order_by(row.mesh_id)
    ).all()


def placements_of(session: Session, org: UUID, mesh: UUID) -> Mapping[str, frozenset[str]]:
    """Virtual node → the clusters where it may run; nodes that may run everywhere are left out."""
    return {key: frozenset(spec["clusters"]) for key, spec in _standing(session, org, mesh, "Placement")}


def _standing(session: Session, org: UUID, mesh: UUID, kind: str) -> Sequence[tuple[str, dict[str, list[str]]]]:
    row = tables.ResourceVersion
    mine = (row.org_id == org, row.mesh_id == mesh, row.kind == kind, row.to_revision.is_(None))
    return [(key, spec) for key, spec in session.execute(select(row.key, row.spec).where(*mine))]
