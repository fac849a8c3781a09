"""documents: every kind of thing in a mesh, under the URLs that the kinds' registry gives them.

One set of routes for all kinds, made from the registry, so a new kind is one file of the model and nothing here. A
write is one revision; what it answers is what a GET would.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.v1.context import Call, Calling, PageSize, PageToken, mesh_ref, page
from api.v1.shapes import document_body, document_of, schema_of
from isthmus.errors import NotFound
from isthmus.model.document import Key
from isthmus.model.kinds import KINDS, ResourceKind
from isthmus.store import tables
from isthmus.store.clusters import Clusters
from isthmus.store.revisions import Accepted, Change, Revisions, Stored


def router() -> APIRouter:
    """The routes of every kind but the mesh itself."""
    out = APIRouter()
    for kind in KINDS.values():
        if kind.name != "Mesh":
            _add(out, kind)
    return out


def _collection(kind: ResourceKind) -> str:
    parent = f"{kind.parent_segment}/{{parent}}/" if kind.parent else ""
    return f"/meshes/{{mesh}}/{parent}{kind.segment}"


def _key(kind: ResourceKind, request: Request) -> Key:
    return Key(kind.name, request.path_params["name"], request.path_params.get("parent"))


def _add(out: APIRouter, kind: ResourceKind) -> None:
    """List, get, put and delete of one kind."""
    collection, single = _collection(kind), _collection(kind) + "/{name}"
    tag = {"tags": [kind.segment]}
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(kind)}}}}

    async def listing(
        calling: Calling, request: Request, page_size: PageSize = 100, page_token: PageToken = None
    ) -> dict[str, Any]:
        return await _list(calling, kind, request, page_size, page_token)

    async def get(calling: Calling, request: Request, response: Response) -> dict[str, Any]:
        key = _key(kind, request)
        mesh, stored = await calling.run(lambda session: _get(calling, session, request.path_params["mesh"], key))
        conditions.etag(response, stored.revision)
        return document_of(mesh, stored)

    async def put(calling: Calling, request: Request, response: Response) -> dict[str, Any]:
        return await _put(calling, kind, request, response)

    async def delete(calling: Calling, request: Request) -> dict[str, Any]:
        key, expected = _key(kind, request), conditions.expected(request)
        change = Change("delete", key, expected)
        accepted = await calling.run(lambda s: _apply(calling, s, request.path_params["mesh"], change)[1])
        return {"revision": accepted.revision}

    out.add_api_route(collection, listing, methods=["GET"], operation_id=f"list{kind.name}s", **tag)
    out.add_api_route(single, get, methods=["GET"], operation_id=f"get{kind.name}", **tag)
    out.add_api_route(single, put, methods=["PUT"], operation_id=f"put{kind.name}", openapi_extra=body, **tag)
    out.add_api_route(single, delete, methods=["DELETE"], operation_id=f"delete{kind.name}", **tag)


async def _list(calling: Call, kind: ResourceKind, request: Request, size: int, token: str | None) -> dict[str, Any]:
    after = calling.cursors.read(calling.org, request.url.path, token, calling.now)

    def work(session: Session) -> list[tuple[str, dict[str, Any]]]:
        mesh = calling.mesh(session, request.path_params["mesh"])
        stored = Revisions(session, calling.org, mesh.id).list(
            kind.name, request.path_params.get("parent"), after, size + 1
        )
        return [(s.document.key.text, document_of(mesh, s)) for s in stored]

    return page(calling, request.url.path, await calling.run(work), size)


def _get(calling: Call, session: Session, ref: str, key: Key) -> tuple[tables.Mesh, Stored]:
    mesh = calling.mesh(session, ref)
    stored = Revisions(session, calling.org, mesh.id).get(key)
    if stored is None:
        raise NotFound(f"mesh {mesh.name} has no {key.kind} {key.text}")
    return mesh, stored


async def _put(calling: Call, kind: ResourceKind, request: Request, response: Response) -> dict[str, Any]:
    key, expected = _key(kind, request), conditions.expected(request)
    document = document_body(key, await bodies.read_json(request))

    def work(session: Session) -> tuple[tables.Mesh, Accepted, Stored]:
        if kind.name == "Attachment":
            Clusters(session, calling.org).get(key.name)
        mesh, accepted = _apply(calling, session, request.path_params["mesh"], Change("put", document, expected))
        stored = Revisions(session, calling.org, mesh.id).get(key)
        assert stored is not None
        return mesh, accepted, stored

    mesh, accepted, stored = await calling.run(work)
    conditions.etag(response, stored.revision)
    response.status_code = 201 if stored.version == 1 and key in accepted.changed else 200
    return document_of(mesh, stored)


def _apply(calling: Call, session: Session, ref: str, change: Change) -> tuple[tables.Mesh, Accepted]:
    mesh = calling.mesh(session, ref)
    key = change.document if isinstance(change.document, Key) else change.document.key
    reason = f"{change.op} {key.kind} {key.text}"
    revisions = Revisions(session, calling.org, mesh.id)
    return mesh, revisions.apply([change], author=calling.principal.name, reason=reason, now=calling.now)


def described(mesh: tables.Mesh) -> Mapping[str, str]:
    """What every answer about a mesh's things carries."""
    return {"mesh": mesh.name, "ref": mesh_ref(mesh)}
