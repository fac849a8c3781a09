"""snapshots: compiled content, written once under its digest and read by it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import null, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.errors import NotFound
from isthmus.store import tables
from isthmus.xds.managed import arns_of
from isthmus.xds.snapshot import Manifest, Resource, Type


class NotCompiled(NotFound):
    """A revision has no snapshot (yet): a newer one came before it was compiled, or its compile has yet to end."""

    code = "not_compiled"


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
        return self.read([ref.version for ref in manifest.refs(view)])

    def add(self, resources: Sequence[Resource]) -> None:
        """Store bodies, each once."""
        rows = [
            {
                "org_id": self._org,
                "version": r.ref.version,
                "type": r.type,
                "name": r.name,
                "body": r.body,
                "managed": sorted(arns_of(r)) or null(),
            }
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


def managed(session: Session, org: UUID, manifest: Manifest) -> Sequence[str]:
    """The ARNs of the managed certificates and authorities that any resource of a manifest names, sorted."""
    body = tables.ResourceBody
    naming = session.execute(select(body.version, body.managed).where(body.org_id == org, body.managed.is_not(None)))
    listed = {row.version: row.managed or [] for row in naming}
    named = manifest.versions() & listed.keys() if listed else ()
    return sorted({arn for version in named for arn in listed[version]})
