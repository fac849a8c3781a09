"""resources: create, describe, update, delete, list, for all seven kinds alike. One accepted write is one revision."""

from collections.abc import Callable, Mapping, Sequence

from api.appmesh.answers import listed, owner_of, resource
from api.appmesh.call import Call, missing
from api.appmesh.sharing import refuse_not_own
from isthmus.errors import NameTaken
from isthmus.model.calls import document_of, key_of
from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key
from isthmus.model.kinds.mesh import MeshSpec
from isthmus.model.operations.words import owners
from isthmus.model.structure import Structure
from isthmus.store import tables
from isthmus.store.changes import Change, Stored
from isthmus.store.meshes import full_ref

PAGE = 100
"""How many a list shows where nothing is said, and at most."""


def create(call: Call) -> Structure:
    """A new resource; NameTaken if there is one of its name."""
    document = document_of(call.operation, call.asked)
    if document.key.kind == "Mesh":
        return _created_mesh(call, document)
    mesh = call.mesh()
    call.revisions(mesh).hold()
    _refuse_orphan(call, mesh, document.key)
    if call.revisions(mesh).get(document.key) is not None:
        raise NameTaken(f"{document.key.kind} with name {document.key.name} already exists under mesh {mesh.name}")
    owner = None if call.account == mesh.account_id else call.account
    return _put(call, mesh, document, owner)


def describe(call: Call) -> Structure:
    """A resource as it is."""
    mesh, key = call.mesh(), key_of(call.operation, call.asked)
    _refuse_orphan(call, mesh, key)
    return resource(call.operation, mesh, call.stored(mesh, key))


def update(call: Call) -> Structure:
    """Another spec; tags stay."""
    mesh, before = _own(call)
    after = document_of(call.operation, call.asked)
    return _put(call, mesh, Document(after.key, after.spec, before.document.tags))


def delete(call: Call) -> Structure:
    """The resource as it was, gone now; InUse while something refers to it."""
    mesh, before = _own(call)
    if before.document.key.kind == "Mesh":
        call.meshes.delete(mesh, author=call.author, now=call.now)
    else:
        _apply(call, mesh, Change("delete", before.document.key))
    return resource(call.operation, mesh, before, "DELETED")


def list_(call: Call) -> Structure:
    """A page of references, by name."""
    limit = getattr(call.asked, "limit", None) or PAGE
    if call.operation.kind == "Mesh":
        name, rows = f"{call.account}/{call.region}/meshes", lambda after: _meshes(call, after, limit + 1)
    else:
        mesh = call.mesh()
        parent = Key(str(call.operation.kind), "", _parent(call))
        _refuse_orphan(call, mesh, parent)
        name = f"{mesh.id}/{parent.kind}/{parent.text}"

        def rows(after: str | None) -> Sequence[tuple[tables.Mesh, Stored]]:
            kept = call.revisions(mesh).list(parent.kind, parent.parent, after, limit + 1)
            return [(mesh, stored) for stored in kept]

    return _page(call, name, limit, rows)


def _page(
    call: Call, name: str, limit: int, rows: Callable[[str | None], Sequence[tuple[tables.Mesh, Stored]]]
) -> Structure:
    """One more than asked for is read, and only says that there is more."""
    after = call.cursors.read(call.org, name, getattr(call.asked, "next_token", None), call.now)
    found = rows(after)
    token = None
    if len(found) > limit:
        mesh, last = found[limit - 1]
        key = last.document.key
        token = call.cursors.make(call.org, name, full_ref(mesh) if key.kind == "Mesh" else key.text, call.now)
    return listed(call.operation, found[:limit], token)


def _meshes(call: Call, after: str | None, limit: int) -> Sequence[tuple[tables.Mesh, Stored]]:
    found = call.meshes.seen_by(call.account, call.region, after, limit)
    return [(mesh, call.stored(mesh, Key("Mesh", mesh.name))) for mesh in found]


def _created_mesh(call: Call, document: Document) -> Structure:
    mesh = call.meshes.create(call.account, call.region, document.key.name, now=call.now)
    assert isinstance(document.spec, MeshSpec)
    definition = Definition(mesh.name, document.spec, tags=document.tags)
    call.revisions(mesh).replace(definition, author=call.author, reason=call.operation.name, now=call.now)
    return resource(call.operation, mesh, call.stored(mesh, document.key))


def _own(call: Call) -> tuple[tables.Mesh, Stored]:
    """What an update or delete is about, held against other writers; Denied if it is another account's."""
    mesh, key = call.mesh(), key_of(call.operation, call.asked)
    call.revisions(mesh).hold()
    _refuse_orphan(call, mesh, key)
    stored = call.stored(mesh, key)
    refuse_not_own(call.account, mesh.account_id, owner_of(mesh, stored), call.operation.verb)
    return mesh, stored


def _put(call: Call, mesh: tables.Mesh, document: Document, owner: str | None = None) -> Structure:
    _apply(call, mesh, Change("put", document, owner=owner))
    return resource(call.operation, mesh, call.stored(mesh, document.key))


def _apply(call: Call, mesh: tables.Mesh, change: Change) -> None:
    reason = f"{call.operation.name} {change.key.text}"
    call.revisions(mesh).apply([change], author=call.author, reason=reason, now=call.now)


def _parent(call: Call) -> str | None:
    """The router or gateway that a list is of."""
    *_, last = owners(str(call.operation.kind))
    return None if last.kind == "Mesh" else getattr(call.asked, last.field)


def _refuse_orphan(call: Call, mesh: tables.Mesh, key: Key) -> None:
    """NotFound for a thing within a router or gateway that is not there."""
    if key.parent is not None:
        *_, last = owners(key.kind)
        within = Key(last.kind, key.parent)
        if call.revisions(mesh).get(within) is None:
            raise missing(mesh, within)


ACTS: Mapping[str, Callable[[Call], Structure]] = {
    "Create": create,
    "Describe": describe,
    "Update": update,
    "Delete": delete,
    "List": list_,
}
"""By verb."""
