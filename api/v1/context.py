"""context: what a route of /v1 works with: the caller, one transaction of the caller's org, and the mesh it names."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from api import paths
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


async def call(request: Request, principal: Signed) -> Call:
    """The context of a request."""
    paths.refuse_nul(request.url.path)
    state = request.app.state
    return Call(principal, state.database, state.settings, state.cursors, datetime.now(UTC))


Calling = Annotated[Call, Depends(call)]
MeshRef = Annotated[str, Path(description="A mesh's name, or `account:region:name` where the name is not unique.")]


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list a request asks for, and the answer with it.

    The list's name is its path: a token of one list is none of another's.
    """

    calling: Call
    request: Request
    response: Response
    size: int
    after: str | None

    async def of(self, rows: Callable[[Session, str | None, int], list[tuple[str, dict[str, Any]]]]) -> dict[str, Any]:
        """The answer from (key, item) pairs; one more than asked for is read, and only says that there is more."""
        found = await self.calling.run(lambda session: rows(session, self.after, self.size + 1))
        token = None
        if len(found) > self.size:
            path = self.request.url.path
            token = self.calling.cursors.make(self.calling.org, path, found[self.size - 1][0], self.calling.now)
            query = self.request.url.include_query_params(page_token=token).query
            raw = self.request.scope["raw_path"].decode("ascii")
            self.response.headers["Link"] = f'<{raw}?{query}>; rel="next"'
        return {"items": [item for _, item in found[: self.size]], "next_page_token": token}


async def page(
    calling: Calling,
    request: Request,
    response: Response,
    page_size: Annotated[int, Query(ge=1, le=MOST, description="How many items at most.")] = 100,
    page_token: Annotated[str | None, Query(description="`next_page_token` of the page before.")] = None,
) -> Page:
    """The page that a request asks for."""
    after = calling.cursors.read(calling.org, request.url.path, page_token, calling.now)
    return Page(calling, request, response, page_size, after)


Paged = Annotated[Page, Depends(page)]
