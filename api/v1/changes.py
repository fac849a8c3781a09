"""changes: many documents of a mesh in one request: one revision, all or nothing (contracts.md).

`[{op: "put" | "delete", document, if_match?, if_none_match?}]`: each change may say what its thing must be before, and
need not, because the request as a whole names all that it changes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.openapi import says
from api.v1.context import Call, Calling, MeshRef
from api.v1.idempotency import once
from api.v1.shapes import key_body
from isthmus.errors import Invalid, Violation
from isthmus.model.document import Key, parse_document
from isthmus.model.reading import Findings
from isthmus.store import tables
from isthmus.store.changes import Accepted, Change, Expected
from isthmus.store.documents import Documents
from isthmus.store.meshes import full_ref
from isthmus.store.revisions import Revisions

router = APIRouter(tags=["meshes"])
MEMBERS = {"op", "document", "if_match", "if_none_match"}


@router.post("/meshes/{mesh:segment}/changes", operation_id="changeMesh", openapi_extra=says("Changed", body="Changes"))
async def change_mesh(calling: Calling, mesh: MeshRef, request: Request) -> Response:
    """Put and delete any documents of a mesh in one revision."""
    said = await bodies.read_json(request)
    changes = parse_changes(said)

    def work(session: Session) -> dict[str, Any]:
        row = calling.mesh(session, mesh)
        reason = f"{len(changes)} changes" if len(changes) > 1 else f"{changes[0].op} {changes[0].key}"
        revisions = Revisions(session, calling.org, row.id)
        accepted = revisions.apply(changes, author=calling.principal.name, reason=reason, now=calling.now)
        return _answer(calling, session, row, changes, accepted)

    return await once(calling, request, said, work)


def parse_changes(raw: Any) -> list[Change]:  # noqa: ANN401 - JSON
    """The changes of a body; Invalid with every violation of them all."""
    if not isinstance(raw, list) or not raw:
        raise Invalid.one("", "wrong_type", "the body must be a JSON array with at least one change")
    found = Findings()
    changes = [found.of(lambda item=item, i=i: _change(item, f"/{i}")) for i, item in enumerate(raw)]  # type: ignore[misc]
    found.refuse()
    return [change for change in changes if change is not None]


def _change(raw: Any, at: str) -> Change:  # noqa: ANN401 - JSON
    if not isinstance(raw, dict):
        raise Invalid.one(at, "wrong_type", "must be an object")
    found = Findings()
    for member in sorted(raw.keys() - MEMBERS):
        found.add(f"{at}/{member}", "unknown_field", "there is no such field")
    op, pointer = raw.get("op"), f"{at}/document"
    if op not in ("put", "delete"):
        found.add(f"{at}/op", "not_one_of", "must be put or delete")
    expected = found.of(lambda: _expected(raw, at))
    read = key_body if op == "delete" else parse_document
    document = found.of(lambda: read(raw.get("document"), pointer=pointer))
    found.refuse()
    assert document is not None, "what is missing has been found"
    return Change("delete" if isinstance(document, Key) else "put", document, expected, pointer)


def _expected(raw: Mapping[str, Any], at: str) -> Expected | None:
    """The precondition of one change, spelled as in the headers of the same names."""
    match, none = raw.get("if_match"), raw.get("if_none_match")
    if match is None and none is None:
        return None
    wrong = [m for m in ("if_match", "if_none_match") if not isinstance(raw.get(m), str | None)]
    if wrong:
        raise Invalid(Violation(f"{at}/{member}", "wrong_type", "must be a string") for member in wrong)
    try:
        return conditions.said(match, none)
    except ValueError as e:
        raise Invalid.one(f"{at}/if_match", "bad_precondition", str(e)) from e


def _answer(
    calling: Call, session: Session, mesh: tables.Mesh, changes: Sequence[Change], accepted: Accepted
) -> dict[str, Any]:
    """What became of each change, in the request's order."""
    standing = Documents(session, calling.org, mesh.id).of_keys([change.key for change in changes])
    items = []
    for change in changes:
        row = standing.get(change.key)
        result = "unchanged"
        if change.key in accepted.changed:
            new = row is not None and row.created_at == calling.now  # only a document that was not there begins now
            result = "deleted" if row is None else "created" if new else "changed"
        parent = {} if change.key.parent is None else {"parent": change.key.parent}
        named = {"op": change.op, "kind": change.key.kind, "name": change.key.name} | parent
        items.append(named | {"result": result, "revision": row.from_revision if row else accepted.revision})
    return {"mesh": mesh.name, "ref": full_ref(mesh), "revision": accepted.revision, "items": items}
