"""snapshots: compiled content, written once under its digest and read by it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.store import tables
from isthmus.xds.snapshot import Manifest, Resource, Type


class Snapshots:
    """What clusters need of one mesh. Equal content is stored once, whoever compiles it."""

    def __init__(self, session: Session, org: UUID, mesh: UUID) -> None:
        self._session, self._org, self._mesh = session, org, mesh

    def keep(
        self,
        cluster: UUID,
        version: str,
        manifest: Callable[[], Manifest],
        new: Sequence[Resource],
        inputs: Mapping[str, Any],
    ) -> str:
        """Store a snapshot under its version with the generation of each of its inputs; the version.

        `new`: at least the bodies in it that are not stored yet. `manifest` is asked for only if it is not either.
        """
        self.add(new)
        if self._session.get(tables.Snapshot, (self._org, self._mesh, cluster, version)) is None:
            row = {
                "org_id": self._org,
                "mesh_id": self._mesh,
                "cluster_id": cluster,
                "version": version,
                "manifest": manifest().text(),
                "inputs": dict(inputs),
            }
            self._session.execute(insert(tables.Snapshot).values(row).on_conflict_do_nothing())
        return version

    def add(self, resources: Sequence[Resource]) -> None:
        """Store bodies, each once."""
        rows = [
            {"org_id": self._org, "version": r.ref.version, "type": r.type, "name": r.name, "body": r.body}
            for r in resources
        ]
        if rows:
            self._session.execute(insert(tables.ResourceBody).on_conflict_do_nothing(), rows)

    def read(self, versions: Collection[str]) -> Mapping[str, Resource]:
        """Stored bodies by version; those that are not there are left out."""
        rows = bodies(self._session, self._org, sorted(versions)) if versions else ()
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
