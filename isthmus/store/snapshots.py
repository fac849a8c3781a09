"""snapshots: compiled content, written once under its digest and read by it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.errors import NotFound
from isthmus.store import tables
from isthmus.xds.snapshot import Manifest, Resource, Snapshot, Type


class NotCompiled(NotFound):
    """A revision has no snapshot (yet): a newer one came before it was compiled, or its compile has yet to end."""

    code = "not_compiled"


class Snapshots:
    """What clusters need of one mesh. Equal content is stored once, whoever compiles it."""

    def __init__(self, session: Session, org: UUID, mesh: UUID) -> None:
        self._session, self._org, self._mesh = session, org, mesh

    def keep(self, cluster: UUID, snapshot: Snapshot, inputs: Mapping[str, Any]) -> str:
        """Store a snapshot and the generation of each of its inputs; its version."""
        bodies = [
            {"org_id": self._org, "version": version, "type": r.type, "name": r.name, "body": r.body}
            for version, r in snapshot.resources.items()
        ]
        if bodies:
            self._session.execute(insert(tables.ResourceBody).on_conflict_do_nothing(), bodies)
        manifest = snapshot.manifest
        row = {
            "org_id": self._org,
            "mesh_id": self._mesh,
            "cluster_id": cluster,
            "version": manifest.version,
            "manifest": manifest.text(),
            "inputs": dict(inputs),
        }
        self._session.execute(insert(tables.Snapshot).values(row).on_conflict_do_nothing())
        return manifest.version

    def of_revision(self, number: int, cluster: UUID) -> tables.Snapshot:
        """What a revision that exists became for a cluster. NotCompiled, or NotFound if it was not for that cluster."""
        row = tables.Rollout
        mine = (row.org_id == self._org, row.mesh_id == self._mesh, row.revision >= number)
        rollout = self._session.scalars(select(row).where(*mine).order_by(row.revision).limit(1)).first()
        if rollout is None:
            raise NotCompiled(f"revision {number} is not compiled yet")
        if rollout.revision != number:
            detail = f"revision {number} was never compiled: revision {rollout.revision} superseded it before"
            raise NotCompiled(detail)
        line = rollout.plan["clusters"].get(str(cluster))
        if line is None:
            raise NotFound(f"revision {number} had nothing to do with this cluster")
        return self._session.get_one(tables.Snapshot, (self._org, self._mesh, cluster, line["after"]))

    def bodies(self, manifest: Manifest, view: str) -> Mapping[str, Resource]:
        """The resources of one view by version."""
        rows = bodies(self._session, self._org, [ref.version for ref in manifest.refs(view)])
        return {row.version: Resource(Type(row.type), row.name, row.body) for row in rows}

    def manifest(self, cluster: UUID, version: str) -> Manifest:
        """A stored snapshot's manifest; LookupError if there is none, which is our bug."""
        row = self._session.get(tables.Snapshot, (self._org, self._mesh, cluster, version))
        if row is None:
            raise LookupError(f"no snapshot {version} of cluster {cluster}")
        return Manifest.parse(row.manifest)


def bodies(session: Session, org: UUID, versions: Sequence[str]) -> Sequence[tables.ResourceBody]:
    """The org's resource bodies of these versions; those it does not have are left out."""
    body = tables.ResourceBody
    return session.scalars(select(body).where(body.org_id == org, body.version.in_(versions))).all()
