"""meshes: an org's meshes by name, which is unique only within account and region (design §1, account)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, and_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.errors import Conflict, NameTaken, NotFound
from isthmus.store import tables
from isthmus.store.changes import Stored
from isthmus.store.documents import COLUMNS, SETTINGS, stored_of
from isthmus.store.quotas import Quotas
from isthmus.store.revisions import Revisions


class AmbiguousMesh(Conflict):
    """The org has several meshes of that name; `refs` are what to say instead."""

    code = "ambiguous_mesh"

    def __init__(self, name: str, refs: Sequence[str]) -> None:
        self.refs = tuple(refs)
        super().__init__(f"there are several meshes {name!r}: say {' or '.join(self.refs)}")


class Meshes:
    """The meshes of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def create(self, account: str, region: str, name: str, *, now: datetime) -> tables.Mesh:
        """A mesh without a revision: its first change, in the same transaction, says what it is.

        NameTaken, QuotaExceeded.
        """
        row, quotas = tables.Mesh, Quotas(self._session, self._org)
        quotas.count_meshes_alone(account, region)
        made = insert(row).values(
            org_id=self._org, id=uuid4(), account_id=account, region=region, name=name, created_at=now
        )
        mesh = self._session.scalars(made.on_conflict_do_nothing().returning(row)).one_or_none()
        if mesh is None:
            raise NameTaken(f"account {account} has a mesh {name!r} in {region} already")
        quotas.refuse_more_meshes(account, region)
        return mesh

    def find(self, ref: str) -> tables.Mesh:
        """The mesh that `account:region:name`, or a name unique in the org, names. NotFound, AmbiguousMesh."""
        exact = self._whose(ref)
        if exact:
            return exact[0]
        row = tables.Mesh
        found = self._session.scalars(self._alive().where(row.name == ref).order_by(row.account_id, row.region)).all()
        if not found:
            raise NotFound(f"there is no mesh {ref!r}")
        if len(found) > 1:
            raise AmbiguousMesh(ref, [full_ref(mesh) for mesh in found])
        return found[0]

    def get(self, account: str, region: str, name: str, *, hold: bool = False) -> tables.Mesh | None:
        """The mesh of that account and region, as App Mesh's interface names them; `hold` as `Revisions.hold` does."""
        row = tables.Mesh
        query = self._alive().where(row.account_id == account, row.region == region, row.name == name)
        query = query.with_for_update(key_share=True) if hold else query
        return self._session.scalars(query, execution_options={"populate_existing": hold}).one_or_none()

    def named(self, region: str, name: str) -> Sequence[tables.Mesh]:
        """The meshes of a region and name, by account."""
        row = tables.Mesh
        query = self._alive().where(row.region == region, row.name == name)
        return self._session.scalars(query.order_by(row.account_id)).all()

    def shared(self, account: str, owner: str, region: str, name: str, *, hold: bool = False) -> tables.Mesh | None:
        """The mesh of an owner that an account may use: its own, or one that its owner does not keep from it."""
        mesh = self.get(owner, region, name, hold=hold)
        if mesh is None or owner == account:
            return mesh
        return mesh if self._session.scalar(select(self._open_to(account)).where(tables.Mesh.id == mesh.id)) else None

    def seen_by(self, account: str, region: str, after: str | None, limit: int) -> Sequence[tuple[tables.Mesh, Stored]]:
        """Up to `limit` meshes of a region that an account may use, with what is said of each itself.

        By name and owner, after that full reference.
        """
        row, said = tables.Mesh, tables.ResourceVersion
        own = (said.org_id == row.org_id, said.mesh_id == row.id, said.kind == "Mesh", said.to_revision.is_(None))
        query = self._alive().where(row.region == region, (row.account_id == account) | self._open_to(account))
        if after is not None:
            owner, _, name = after.split(":", 2)
            query = query.where(tuple_(row.name, row.account_id) > (name, owner))
        query = query.order_by(row.name, row.account_id).limit(limit)
        found = self._session.execute(query.join(said, and_(*own)).add_columns(*COLUMNS))
        return [(each[0], stored_of(each)) for each in found]

    def list(self, after: str | None, limit: int) -> Sequence[tables.Mesh]:
        """Up to `limit` meshes by name, account and region, after the one of that full reference."""
        row = tables.Mesh
        order = (row.name, row.account_id, row.region)
        query = self._alive()
        if after is not None:
            account, region, name = after.split(":", 2)
            query = query.where(tuple_(*order) > (name, account, region))
        return self._session.scalars(query.order_by(*order).limit(limit)).all()

    def delete(self, mesh: tables.Mesh, *, author: str, now: datetime) -> int:
        """End a mesh; its last revision, by which every cluster loses what it had of it. InUse, see `Revisions.end`.

        Attachments, placements and bindings go with it. The row stays for its history, and the name is free again.
        """
        accepted = Revisions(self._session, self._org, mesh.id).end(author=author, reason="delete mesh", now=now)
        mesh.deleted_at = now
        self._session.flush()
        return accepted.revision

    def _whose(self, ref: str) -> Sequence[tables.Mesh]:
        """The mesh of a full reference; names may have colons themselves."""
        account, _, rest = ref.partition(":")
        region, _, name = rest.partition(":")
        found = self.get(account, region, name)
        return [] if found is None else [found]

    def _open_to(self, account: str) -> ColumnElement[bool]:
        """Whether a mesh's settings let an account use it: where they say nothing, they do."""
        row, said = tables.ResourceVersion, tables.ResourceVersion.spec["shared_with"]
        closed = select(row.key).where(
            row.org_id == self._org, row.mesh_id == tables.Mesh.id, row.kind == SETTINGS, row.to_revision.is_(None),
            row.spec.has_key("shared_with"), ~said.has_key(account),
        )  # fmt: skip
        return ~closed.correlate(tables.Mesh).exists()

    def _alive(self) -> Select[tables.Mesh]:
        row = tables.Mesh
        return select(row).where(row.org_id == self._org, row.deleted_at.is_(None))


def full_ref(mesh: tables.Mesh) -> str:
    """How a mesh is named where its name alone is not unique in the org."""
    return f"{mesh.account_id}:{mesh.region}:{mesh.name}"
