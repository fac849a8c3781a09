"""resources: create, describe, update, delete, list, for all seven kinds alike. One accepted write is one revision."""

from collections.abc import Callable, Mapping, Sequence

from api.appmesh.answers import listed, owner_of, resource
from api.appmesh.call import Call
from api.appmesh.sharing import refuse_not_own
from isthmus.errors import NameTaken, StaleRevision
from isthmus.model.calls import document_of, key_of
from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key
from isthmus.model.kinds.mesh import MeshSpec
from isthmus.model.operations.words import owners
from isthmus.model.structure import Structure
from isthmus.store import tables
from isthmus.store.changes import ABSENT, Accepted, Change, Stored
from isthmus.store.meshes import full_ref

PAGE = 100
"""How many a list shows where nothing is said, and at most."""


def create(call: Call) -> Structure:
    """A new resource; NameTaken if there is one of its name."""
    document = document_of(call.operation, call.asked)
    if document.key.kind == "Mesh":
        return _created_mesh(call, document)
    mesh = call.mesh()
    owner = None if call.account == mesh.account_id else call.account
    try:
        return _put(call, mesh, Change("put", document, ABSENT, owner=owner))
    except StaleRevision:
        key = document.key
        raise NameTaken(f"{key.kind} with name {key.name} already exists under mesh {mesh.name}") from None


def describe(call: Call) -> Structure:
    """A resource as it is."""
    mesh = call.mesh()
    return resource(call.operation, mesh, call.stored(mesh, key_of(call.operation, call.asked)))


def update(call: Call) -> Structure:
    """Another spec; tags stay."""
    mesh, before = _own(call)
    after = document_of(call.operation, call.asked)
    return _put(call, mesh, Change("put", Document(after.key, after.spec, before.document.tags)))


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
        name = f"{call.account}/{call.region}/meshes"

        def rows(after: str | None) -> Sequence[tuple[tables.Mesh, Stored]]:
            return call.meshes.seen_by(call.account, call.region, after, limit + 1)

    else:
        mesh = call.mesh()
        parent = Key(str(call.operation.kind), "", _parent(call))
        call.refuse_orphan(mesh, parent)
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


def _created_mesh(call: Call, document: Document) -> Structure:
    mesh = call.meshes.create(call.account, call.region, document.key.name, now=call.now)
    assert isinstance(document.spec, MeshSpec)
    definition, reason = Definition(mesh.name, document.spec, tags=document.tags), call.operation.name
    accepted = call.revisions(mesh).replace(definition, author=call.author, reason=reason, now=call.now)
    return resource(call.operation, mesh, accepted.stored[document.key])


def _own(call: Call) -> tuple[tables.Mesh, Stored]:
    """What an update or delete is about, held against other writers; Denied if it is another account's."""
    mesh, key = call.mesh(), key_of(call.operation, call.asked)
    call.revisions(mesh).hold()
    stored = call.stored(mesh, key)
    refuse_not_own(call.account, mesh.account_id, owner_of(mesh, stored), call.operation.verb)
    return mesh, stored


def _put(call: Call, mesh: tables.Mesh, change: Change) -> Structure:
    return resource(call.operation, mesh, _apply(call, mesh, change).stored[change.key])


def _apply(call: Call, mesh: tables.Mesh, change: Change) -> Accepted:
    reason = f"{call.operation.name} {change.key.text}"
    return call.revisions(mesh).apply([change], author=call.author, reason=reason, now=call.now)


def _parent(call: Call) -> str | None:
    """The router or gateway that a list is of."""
    *_, last = owners(str(call.operation.kind))
    return None if last.kind == "Mesh" else getattr(call.asked, last.field)


ACTS: Mapping[str, Callable[[Call], Structure]] = {
    "Create": create,
    "Describe": describe,
    "Update": update,
    "Delete": delete,
    "List": list_,
}
"""By verb."""
