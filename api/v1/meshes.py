"""meshes: whole definitions: one PUT changes everything in one revision.

A PUT deletes what it does not list (contracts.md), except attachments, placements and bindings: a definition kept in a
repository must not detach the clusters that somebody attached elsewhere.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.v1.context import Call, Calling, PageSize, PageToken, mesh_ref, page
from api.v1.shapes import arn
from isthmus.errors import NotFound, StaleRevision
from isthmus.model.definition import Definition, parse_definition
from isthmus.model.document import Key
from isthmus.store import tables
from isthmus.store.accounts import Accounts
from isthmus.store.meshes import Meshes
from isthmus.store.revisions import ABSENT, Accepted, At, Expected, Revisions

router = APIRouter(tags=["meshes"])


def mesh_of(session: Session, calling: Call, mesh: tables.Mesh) -> dict[str, Any]:
    """A mesh with everything in it, in the shape that PUT takes."""
    definition = Revisions(session, calling.org, mesh.id).definition()
    return definition.json() | {"meta": meta_of(mesh)}


def meta_of(mesh: tables.Mesh) -> dict[str, Any]:
    """What we say of a mesh: its pointers among it."""
    return {
        "ref": mesh_ref(mesh),
        "account": mesh.account_id,
        "region": mesh.region,
        "uid": str(mesh.id),
        "arn": arn(mesh, Key("Mesh", mesh.name)),
        "revision": mesh.head,
        "head": mesh.head,
        "target": mesh.target,
        "live": mesh.live,
        "created_at": mesh.created_at.isoformat(),
    }


@router.get("/meshes", operation_id="listMeshes")
async def list_meshes(
    calling: Calling, request: Request, page_size: PageSize = 100, page_token: PageToken = None
) -> dict[str, Any]:
    """The org's meshes, by name."""
    after = calling.cursors.read(calling.org, request.url.path, page_token, calling.now)

    def work(session: Session) -> list[tuple[str, dict[str, Any]]]:
        rows = Meshes(session, calling.org).list(after, page_size + 1)
        return [(mesh_ref(m), {"kind": "Mesh", "name": m.name, "meta": meta_of(m)}) for m in rows]

    return page(calling, request.url.path, await calling.run(work), page_size)


@router.get("/meshes/{mesh}", operation_id="getMesh")
async def get_mesh(calling: Calling, mesh: str, response: Response) -> dict[str, Any]:
    """A mesh with everything in it."""
    found = await calling.run(lambda session: mesh_of(session, calling, calling.mesh(session, mesh)))
    conditions.etag(response, found["meta"]["head"])
    return found


@router.put("/meshes/{mesh}", operation_id="putMesh")
async def put_mesh(calling: Calling, mesh: str, request: Request, response: Response) -> dict[str, Any]:
    """Make a mesh, or bring it to this definition, in one revision."""
    expected = conditions.expected(request)
    definition = parse_definition(await bodies.read_json(request), name=_name_in(mesh))

    def work(session: Session) -> tuple[bool, Accepted, dict[str, Any]]:
        row, made = _found_or_made(session, calling, mesh, expected)
        accepted = _replace(session, calling, row, definition, expected=None if made else expected)
        session.refresh(row)
        return made, accepted, mesh_of(session, calling, row)

    made, _, answer = await calling.run(work)
    response.status_code = 201 if made else 200
    conditions.etag(response, answer["meta"]["head"])
    return answer


@router.delete("/meshes/{mesh}", operation_id="deleteMesh")
async def delete_mesh(calling: Calling, mesh: str, request: Request) -> dict[str, Any]:
    """Delete a mesh that has nothing left in it."""
    expected = conditions.expected(request)

    def work(session: Session) -> int:
        row = calling.mesh(session, mesh)
        _must_match(row, expected)
        return Meshes(session, calling.org).delete(row, author=calling.principal.name, now=calling.now)

    return {"revision": await calling.run(work)}


def _name_in(ref: str) -> str:
    """The mesh's own name in a reference `account:region:name`."""
    return ref.rpartition(":")[2]


def _found_or_made(session: Session, calling: Call, ref: str, expected: Expected) -> tuple[tables.Mesh, bool]:
    """The mesh a PUT speaks of: made where there is none and the precondition allows it."""
    try:
        return calling.mesh(session, ref), False
    except NotFound:
        if isinstance(expected, At):
            raise StaleRevision(f"mesh {ref}", None) from None
    account, _, rest = ref.partition(":")
    region, _, name = rest.partition(":")
    if not name:
        account, region, name = Accounts(session, calling.org).default().id, calling.settings.region, ref
    Accounts(session, calling.org).get(account)
    return Meshes(session, calling.org).create(account, region, name, now=calling.now), True


def _replace(
    session: Session, calling: Call, row: tables.Mesh, definition: Definition, *, expected: Expected | None
) -> Accepted:
    if expected is not None:
        _must_match(row, expected)
    return Revisions(session, calling.org, row.id).replace(
        definition, author=calling.principal.name, reason="put mesh", now=calling.now
    )


def _must_match(row: tables.Mesh, expected: Expected) -> None:
    """A mesh's ETag is its head."""
    if expected is ABSENT or (isinstance(expected, At) and expected.revision != row.head):
        raise StaleRevision(f"mesh {row.name}", row.head)
