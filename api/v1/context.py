"""context: what a route of /v1 works with: the caller, one transaction of the caller's org, and the mesh it names."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session

from api.auth import Principal, Signed
from api.cursors import MOST, Cursors
from isthmus.settings import Settings
from isthmus.store import tables
from isthmus.store.database import AsyncDatabase
from isthmus.store.meshes import Meshes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a signed-in caller."""

    principal: Principal
    database: AsyncDatabase
    settings: Settings
    cursors: Cursors
    now: datetime

    @property
    def org(self) -> UUID:
        """Whose rows this call can see."""
        return self.principal.org

    def run(self, work: Callable[[Session], T]) -> Awaitable[T]:
        """One transaction: all of `work` or, if it raises, nothing."""
        return self.database.run(self.org, work)

    def mesh(self, session: Session, ref: str) -> tables.Mesh:
        """The mesh that a path names, by name or `account:region:name`."""
        return Meshes(session, self.org).find(ref)


def call(request: Request, principal: Signed) -> Call:
    """The context of a request."""
    state = request.app.state
    return Call(principal, state.database, state.settings, state.cursors, datetime.now(UTC))


Calling = Annotated[Call, Depends(call)]
PageSize = Annotated[int, Query(ge=1, le=MOST, description="How many items at most.")]
PageToken = Annotated[str | None, Query(description="`next_page_token` of the page before.")]


def mesh_ref(mesh: tables.Mesh) -> str:
    """How a mesh is named where its name alone is not unique in the org."""
    return f"{mesh.account_id}:{mesh.region}:{mesh.name}"


def page(calling: Call, listing: str, keys: list[tuple[str, dict[str, object]]], size: int) -> dict[str, object]:
    """A list answer from up to `size + 1` (key, item) pairs: the extra one only says that there is more."""
    more = len(keys) > size
    token = calling.cursors.make(calling.org, listing, keys[size - 1][0], calling.now) if more else None
    return {"items": [item for _, item in keys[:size]], "next_page_token": token}
