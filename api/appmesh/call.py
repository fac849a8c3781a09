"""call: one authenticated request in its transaction: who calls, for which region, and the meshes that it reaches."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from api.appmesh.sharing import refuse_stranger
from api.cursors import Cursors
from isthmus.errors import NotFound
from isthmus.model.document import Key
from isthmus.model.key import PARENTS
from isthmus.model.operations.table import Operation
from isthmus.model.structure import Structure
from isthmus.store import tables
from isthmus.store.changes import Stored
from isthmus.store.meshes import Meshes
from isthmus.store.revisions import Revisions


@dataclass(frozen=True, slots=True)
class Call:
    """`account` and `region` are the access key's and the signature's: a request says them nowhere else."""

    session: Session
    org: UUID
    account: str
    region: str
    key: str
    now: datetime
    cursors: Cursors
    operation: Operation
    asked: Structure
    opened: dict[UUID, Revisions] = field(default_factory=dict)
    """What `revisions` gave, because a mesh is held once."""

    @property
    def author(self) -> str:
        """What histories show."""
        return f"access key {self.key}"

    @property
    def meshes(self) -> Meshes:
        """The org's meshes."""
        return Meshes(self.session, self.org)

    @property
    def owner(self) -> str:
        """Whose mesh is meant: `meshOwner`, or the caller's own."""
        return getattr(self.asked, "mesh_owner", None) or self.account

    def revisions(self, mesh: tables.Mesh) -> Revisions:
        """What is in a mesh."""
        return self.opened.setdefault(mesh.id, Revisions(self.session, self.org, mesh.id))

    def mesh(self) -> tables.Mesh:
        """The mesh that is asked about; NotFound for one of another org as for none, Denied as `sharing` decides."""
        name: str = self.asked.mesh_name  # type: ignore[attr-defined]  # of every operation that gets here
        found = self.meshes.shared(self.account, self.owner, self.region, name)
        if found is None:
            raise NotFound(f"Mesh with name {name} is not present for account {self.owner}")
        refuse_stranger(self.account, found.account_id, str(self.operation.kind), self.operation.verb)
        return found

    def stored(self, mesh: tables.Mesh, key: Key) -> Stored:
        """A document of a mesh; NotFound, in App Mesh's words, for it or for what it would lie in."""
        found = self.revisions(mesh).get(key)
        if found is None:
            self.refuse_orphan(mesh, key)
            raise _missing(mesh, key)
        return found

    def refuse_orphan(self, mesh: tables.Mesh, key: Key) -> None:
        """NotFound for what would lie in a router or gateway that is not there."""
        parent = PARENTS.get(key.kind)
        if parent and key.parent is not None:
            within = Key(parent, key.parent)
            if self.revisions(mesh).get(within) is None:
                raise _missing(mesh, within)


def _missing(mesh: tables.Mesh, key: Key) -> NotFound:
    """There is no such thing, in App Mesh's words."""
    return NotFound(
        f"{key.kind} with name {key.name} is not present under mesh {mesh.name} for account {mesh.account_id}"
    )
