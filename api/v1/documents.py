"""documents: every kind of thing in a mesh, under the URLs that the kinds' registry gives them.

One set of routes for all kinds, made from the registry, so a new kind is one file of the model and nothing here. A
write is one revision; what it answers is what a GET would.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.conditions import Precondition
from api.openapi import says
from api.v1.context import Call, Calling, MeshRef, Paged
from api.v1.shapes import bare_body, document_body, document_of, is_bare, spelled
from api.v1.statuses import Statuses
from isthmus.errors import NotFound
from isthmus.model.document import Key
from isthmus.model.kind import ResourceKind
from isthmus.model.kinds import KINDS
from isthmus.model.structure import Structure
from isthmus.store import tables
from isthmus.store.changes import Accepted, Change
from isthmus.store.revisions import Revisions

Kind = ResourceKind[Structure]


@dataclass(frozen=True, slots=True)
class Place:
    """What a document's URL names."""

    mesh: str
    key: Key


def router() -> APIRouter:
    """The routes of every kind but the mesh itself."""
    out = APIRouter()
    for kind in KINDS.values():
        if kind.name != "Mesh":
            _read(out, kind)
            _write(out, kind)
    return out


def _collection(kind: Kind) -> str:
    parent = f"{kind.parent_segment}/{{parent:segment}}/" if kind.parent else ""
    return f"/meshes/{{mesh:segment}}/{parent}{kind.segment}"


def _single(kind: Kind) -> str:
    return _collection(kind) + "/{name:segment}"


def _named(kind: Kind) -> Callable[..., Place]:
    """What reads a document's URL."""

    def inside(mesh: MeshRef, parent: str, name: str) -> Place:
        return Place(mesh, Key(kind.name, name, parent))

    def plain(mesh: MeshRef, name: str) -> Place:
        return Place(mesh, Key(kind.name, name))

    return inside if kind.parent else plain


def _parents(kind: Kind) -> Callable[..., str | None]:
    """What reads a list's parent out of its URL."""

    def of(parent: str) -> str:
        return parent

    return of if kind.parent else lambda: None


def _read(out: APIRouter, kind: Kind) -> None:
    """List and get one kind."""

    async def listing(
        calling: Calling, mesh: MeshRef, parent: Annotated[str | None, Depends(_parents(kind))], page: Paged
    ) -> dict[str, Any]:
        def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
            row = calling.mesh(session, mesh)
            listed = Revisions(session, calling.org, row.id).list(kind.name, parent, after, limit)
            statuses = Statuses(session, row)
            return [(s.document.key.text, document_of(row, s, statuses)) for s in listed]

        return await page.of(rows)

    async def get(
        calling: Calling, place: Annotated[Place, Depends(_named(kind))], response: Response
    ) -> dict[str, Any]:
        revision, answer = await calling.run(lambda session: _get(calling, session, place))
        conditions.etag(response, revision)
        return answer

    out.add_api_route(
        _collection(kind),
        listing,
        methods=["GET"],
        operation_id=f"list{kind.name}s",
        summary=f"List {kind.name}s",
        tags=[kind.segment],
        openapi_extra=says(f"{kind.name}List"),
    )
    out.add_api_route(
        _single(kind),
        get,
        methods=["GET"],
        operation_id=f"get{kind.name}",
        summary=f"Get a {kind.name}",
        tags=[kind.segment],
        openapi_extra=says(f"{kind.name}Document"),
    )


def _write(out: APIRouter, kind: Kind) -> None:
    """Put and delete one kind."""

    async def put(
        calling: Calling,
        expected: Precondition,
        place: Annotated[Place, Depends(_named(kind))],
        request: Request,
        response: Response,
    ) -> dict[str, Any]:
        raw = await bodies.read_json(request)
        bare = is_bare(place.key, raw)
        with spelled(bare=bare):
            document = bare_body(place.key, raw) if bare else document_body(place.key, raw)
            change = Change("put", document, expected)
            revision, answer, made = await calling.run(lambda session: _put(calling, session, place, change))
        conditions.etag(response, revision)
        response.status_code = 201 if made else 200
        return answer

    async def delete(
        calling: Calling, expected: Precondition, place: Annotated[Place, Depends(_named(kind))]
    ) -> dict[str, Any]:
        change = Change("delete", place.key, expected)
        _, accepted = await calling.run(lambda session: _apply(calling, session, place, change))
        return {"revision": accepted.revision}

    out.add_api_route(
        _single(kind),
        put,
        methods=["PUT"],
        operation_id=f"put{kind.name}",
        summary=f"Create or replace a {kind.name}",
        tags=[kind.segment],
        openapi_extra=says(
            f"{kind.name}Document", body=f"{kind.name}{'Body' if kind.lasting else 'Document'}", made=True
        ),
    )
    out.add_api_route(
        _single(kind),
        delete,
        methods=["DELETE"],
        operation_id=f"delete{kind.name}",
        summary=f"Delete a {kind.name}",
        tags=[kind.segment],
        openapi_extra=says("Deleted"),
    )


def _get(calling: Call, session: Session, place: Place) -> tuple[int, dict[str, Any]]:
    """The revision that changed the document last, and the document."""
    mesh = calling.mesh(session, place.mesh)
    stored = Revisions(session, calling.org, mesh.id).get(place.key)
    if stored is None:
        raise NotFound(f"mesh {mesh.name} has no {place.key}")
    return stored.revision, document_of(mesh, stored, Statuses(session, mesh))


def _put(calling: Call, session: Session, place: Place, change: Change) -> tuple[int, dict[str, Any], bool]:
    """The document as it stands then, with the revision that made it so, and whether it was not there before."""
    mesh, accepted = _apply(calling, session, place, change)
    stored = accepted.stored[place.key]
    made = change.key in accepted.changed and stored.created_at == calling.now
    return stored.revision, document_of(mesh, stored, Statuses(session, mesh)), made


def _apply(calling: Call, session: Session, place: Place, change: Change) -> tuple[tables.Mesh, Accepted]:
    mesh = calling.mesh(session, place.mesh)
    revisions = Revisions(session, calling.org, mesh.id)
    reason = f"{change.op} {change.key}"
    return mesh, revisions.apply([change], author=calling.principal.name, reason=reason, now=calling.now)
