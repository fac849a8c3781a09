"""applying: what definition files say, brought about through the API, and what that changed.

Native documents go in one request, so they are one revision, all or nothing: with a `kind: Mesh` document beside them
as a whole definition, without one as a list of changes. A mesh document that lists no resources speaks of the mesh
alone and deletes nothing. App Mesh calls are applied one by one in their order, because that is what they mean.
What is already so is left alone, so applying twice is applying once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.cli import urls
from isthmus.cli.client import Client, fail
from isthmus.model.calls import Call
from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key
from isthmus.model.files import Entry

NEW = {"If-None-Match": "*"}
THERE = {"If-Match": "*"}
SAID = ("spec", "tags", "settings")
"""What of a document or mesh is the tenant's own word."""


@dataclass(frozen=True)
class Row:
    """What became of one document: created, changed, unchanged or deleted; `revision` last changed it."""

    kind: str
    name: str
    mesh: str
    result: str
    revision: int | None

    def json(self) -> dict[str, Any]:
        """The row as `-o json` shows it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "mesh": self.mesh,
            "result": self.result,
            "revision": self.revision,
        }


def apply(client: Client, entries: Sequence[Entry], mesh: str | None = None) -> list[Row]:
    """Bring about what the entries say; `mesh` is where documents belong that stand beside no mesh."""
    definitions = [e for e in entries if isinstance(e, Definition)]
    documents = [e for e in entries if isinstance(e, Document)]
    names = {d.name for d in definitions}
    if documents and len(names) > 1:
        fail(f"documents beside several meshes ({', '.join(sorted(names))}): give each mesh a file of its own")
    rows = [row for d in definitions for row in _define(client, d, documents)]
    if documents and not definitions:
        rows = _change(client, mesh or fail("say which mesh these documents belong to with --mesh"), documents)
    return rows + [_call(client, e) for e in entries if isinstance(e, Call)]


def _define(client: Client, definition: Definition, beside: Sequence[Document]) -> list[Row]:
    """A mesh's definition, with the documents beside it, in one PUT."""
    path = urls.mesh(definition.name)
    before = client.find(path)
    said = definition.json()
    if before is not None and not definition.documents:
        said["resources"] = _overlaid(before["resources"], beside)
    else:
        said["resources"] += [d.json() for d in beside]
    precondition = NEW if before is None else {"If-Match": f'"{before["meta"]["head"]}"'}
    return list(_compared(definition.name, before, client.put(path, said, precondition)))


def _overlaid(resources: Iterable[Mapping[str, Any]], documents: Sequence[Document]) -> list[Mapping[str, Any]]:
    """What stands, with these documents put in."""
    new = {document.key: document.json() for document in documents}
    return [raw for raw in resources if _key(raw) not in new] + list(new.values())


def _compared(mesh: str, before: Any, after: Any) -> Iterable[Row]:  # noqa: ANN401 - answers of the API
    """One row for the mesh and one for each document that is or was there."""
    head = after["meta"]["head"]
    old = {} if before is None else {Key("Mesh", mesh): before} | {_key(d): d for d in before["resources"]}
    new = {Key("Mesh", mesh): after} | {_key(d): d for d in after["resources"]}
    for key in [*new, *(key for key in old if key not in new)]:
        result = _result(old.get(key), new.get(key))
        yield Row(key.kind, key.text, mesh, result, None if result == "unchanged" else head)


def _result(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> str:
    if new is None:
        return "deleted"
    if old is None:
        return "created"
    return "unchanged" if _said(old) == _said(new) else "changed"


def _said(raw: Mapping[str, Any]) -> list[Any]:
    return [raw.get(field) or {} for field in SAID]


def _key(raw: Mapping[str, Any]) -> Key:
    return Key(raw["kind"], raw["name"], raw.get("parent"))


def _change(client: Client, mesh: str, documents: Sequence[Document]) -> list[Row]:
    """Documents of a mesh that stays as it is otherwise, in one revision."""
    body = [{"op": "put", "document": document.json()} for document in documents]
    answer = client.post(f"{urls.mesh(mesh)}/changes", body)
    return [Row(r["kind"], _key(r).text, mesh, r["result"], r["revision"]) for r in answer["items"]]


def _call(client: Client, call: Call) -> Row:
    """One App Mesh call as the equal write of `/v1`."""
    path = urls.single(call.key, call.mesh)
    before = client.find(path)
    if call.document is None:
        revision = client.delete(path)["revision"] if before else None
        return Row(call.key.kind, call.key.text, call.mesh, "deleted" if before else "unchanged", revision)
    said = _meant(call, call.document, before)
    if before is not None and _said(before) == _said(said):
        return Row(call.key.kind, call.key.text, call.mesh, "unchanged", before["meta"]["revision"])
    answer = client.put(path, said, NEW if call.verb == "create" else THERE)
    return Row(call.key.kind, call.key.text, call.mesh, _result(before, answer), answer["meta"]["revision"])


def _meant(call: Call, document: Document, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """The body that says what the call says: an update leaves tags, and of a mesh everything in it, as they are."""
    kept = {field: value for field, value in (before or {}).items() if field in ("settings", "resources")}
    tags = dict(document.tags) if call.verb == "create" else (before or {}).get("tags", {})
    return kept | {"spec": document.spec.json_object(), "tags": tags}
