"""meshes: whole definitions: one PUT changes everything in one revision.

A PUT deletes what it does not list (contracts.md), except attachments, placements and bindings: a definition kept in a
repository must not detach the clusters that somebody attached elsewhere.
"""

import re
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.conditions import Precondition
from api.openapi import says
from api.v1.context import Call, Calling, MeshRef, Paged
from api.v1.statuses import Statuses
from isthmus import values
from isthmus.errors import NameTaken, NotFound, StaleRevision
from isthmus.model.arn import arn
from isthmus.model.definition import parse_definition
from isthmus.model.document import Key
from isthmus.store import tables
from isthmus.store.accounts import Accounts
from isthmus.store.changes import ABSENT, Expected, must_match
from isthmus.store.meshes import Meshes, full_ref
from isthmus.store.revisions import Revisions

router = APIRouter(tags=["meshes"])
PATH = "/meshes/{mesh:segment}"
_FULL = re.compile(r"(\d{12}):([a-z0-9-]+):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Named:
    """What a reference to a mesh says: all of it, or the name alone."""

    account: str | None
    region: str | None
    name: str

    @classmethod
    def parse(cls, ref: str) -> "Named":
        """`account:region:name`, or a name, which may have colons itself."""
        full = _FULL.fullmatch(ref)
        return cls(*full.groups()) if full else cls(None, None, ref)


def mesh_of(session: Session, calling: Call, mesh: tables.Mesh) -> dict[str, Any]:
    """A mesh with everything in it, in the shape that PUT takes."""
    definition = Revisions(session, calling.org, mesh.id).definition()
    status = Statuses(session, mesh).of_mesh(definition.documents.values())
    return definition.json() | {"meta": meta_of(mesh) | {"status": status}}


def meta_of(mesh: tables.Mesh) -> dict[str, Any]:
    """What we say of a mesh: its pointers among it."""
    return {
        "ref": full_ref(mesh),
        "account": mesh.account_id,
        "region": mesh.region,
        "uid": str(mesh.id),
        "arn": arn(mesh.region, mesh.account_id, mesh.name, Key("Mesh", mesh.name)),
        "revision": mesh.head,
        "head": mesh.head,
        "target": mesh.target,
        "live": mesh.live,
        "created_at": mesh.created_at.isoformat(),
    }


@router.get("/meshes", operation_id="listMeshes", openapi_extra=says("MeshList"))
async def list_meshes(calling: Calling, page: Paged) -> dict[str, Any]:
    """The org's meshes, by name."""

    def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
        listed = Meshes(session, calling.org).list(after, limit)
        return [(full_ref(m), {"kind": "Mesh", "name": m.name, "meta": meta_of(m)}) for m in listed]

    return await page.of(rows)


@router.get(PATH, operation_id="getMesh", openapi_extra=says("Mesh"))
async def get_mesh(calling: Calling, mesh: MeshRef, response: Response) -> dict[str, Any]:
    """A mesh with everything in it."""
    found = await calling.run(lambda session: mesh_of(session, calling, calling.mesh(session, mesh)))
    conditions.etag(response, found["meta"]["head"])
    return found


@router.put(PATH, operation_id="putMesh", openapi_extra=says("Mesh", body="Mesh", made=True))
async def put_mesh(
    calling: Calling, expected: Precondition, mesh: MeshRef, request: Request, response: Response
) -> dict[str, Any]:
    """Make a mesh, or bring it to this definition, in one revision."""
    definition = parse_definition(await bodies.read_json(request), name=Named.parse(mesh).name)

    def work(session: Session) -> tuple[bool, dict[str, Any]]:
        row, made = _found_or_made(session, calling, mesh, expected)
        Revisions(session, calling.org, row.id).replace(
            definition, expected=expected, author=calling.principal.name, reason="put mesh", now=calling.now
        )
        return made, mesh_of(session, calling, row)

    made, answer = await calling.run(work)
    response.status_code = 201 if made else 200
    conditions.etag(response, answer["meta"]["head"])
    return answer


@router.delete(PATH, operation_id="deleteMesh", openapi_extra=says("Deleted"))
async def delete_mesh(calling: Calling, expected: Precondition, mesh: MeshRef) -> dict[str, Any]:
    """Delete a mesh that has nothing of App Mesh left in it."""

    def work(session: Session) -> int:
        row = calling.mesh(session, mesh)
        session.refresh(row, with_for_update={"key_share": True})  # the lock of every writer of this mesh
        must_match(f"mesh {row.name}", expected, row.head)
        return Meshes(session, calling.org).delete(row, author=calling.principal.name, now=calling.now)

    return {"revision": await calling.run(work)}


def _found_or_made(session: Session, calling: Call, ref: str, expected: Expected) -> tuple[tables.Mesh, bool]:
    """The mesh a PUT speaks of: made where there is none and the precondition says so.

    Of two that make the same mesh at once, one is told that it exists: that is what its `If-None-Match` asked.
    """
    try:
        return calling.mesh(session, ref), False
    except NotFound:
        if expected is not ABSENT:
            raise StaleRevision(f"mesh {ref}", None) from None
    said, accounts = Named.parse(ref), Accounts(session, calling.org)
    account = accounts.get(said.account).id if said.account else accounts.default().id
    region = values.region(said.region, "/path/mesh") if said.region else calling.settings.region
    try:
        return Meshes(session, calling.org).create(account, region, said.name, now=calling.now), True
    except NameTaken:
        raise StaleRevision(f"mesh {ref}", calling.mesh(session, ref).head) from None
