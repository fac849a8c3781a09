"""gathered: what definition files hold, as the whole meshes that stand after applying them where nothing stood."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from isthmus.errors import Invalid, Violation
from isthmus.model.calls import Call
from isthmus.model.definition import Definition
from isthmus.model.document import Document
from isthmus.model.files import Entry
from isthmus.model.key import Key
from isthmus.model.kinds.mesh import MeshSpec

UNNAMED = "mesh"
"""Whose documents are that stand beside no mesh and no App Mesh call, if nobody says."""


def gathered(entries: Sequence[Entry], loose: str | None = None) -> Mapping[str, Definition]:
    """The meshes by name. Documents belong to the mesh they stand beside, else to `loose`.

    Raises Invalid for a key or mesh that is said twice, and for documents beside several meshes. App Mesh calls say
    the same thing many times over: the last one holds.
    """
    said = [each for each in entries if isinstance(each, Definition)]
    documents = [each for each in entries if isinstance(each, Document)]
    calls = [each for each in entries if isinstance(each, Call)]
    out = {each.name: each for each in said}
    _refuse_twice([Key("Mesh", each.name) for each in said])
    if documents:
        name = _beside(out or {call.mesh: None for call in calls}, loose)
        mesh = out.get(name, Definition(name))
        _refuse_twice([*mesh.documents, *(each.key for each in documents)])
        out[name] = _with(mesh, documents)
    for call in calls:
        _apply(call, out)
    return out


def _beside(meshes: Iterable[str], loose: str | None) -> str:
    names = sorted(meshes)
    if len(names) > 1 and loose is None:
        raise Invalid.one("", "ambiguous_mesh", f"documents stand beside several meshes ({', '.join(names)})")
    return loose or (names[0] if names else UNNAMED)


def _refuse_twice(keys: Sequence[Key]) -> None:
    twice = {key for key in keys if keys.count(key) > 1} if len(set(keys)) < len(keys) else ()
    if twice:
        raise Invalid(Violation("", "duplicate", f"{key} is said twice") for key in twice)


def _with(mesh: Definition, documents: Iterable[Document]) -> Definition:
    return replace(mesh, documents=dict(mesh.documents) | {each.key: each for each in documents})


def _apply(call: Call, meshes: dict[str, Definition]) -> None:
    """An update leaves tags as they are; a delete of what is not there changes nothing."""
    mesh = meshes.setdefault(call.mesh, Definition(call.mesh))
    document = call.document
    if call.key.kind == "Mesh":
        if document is None:
            del meshes[call.mesh]
            return
        assert isinstance(document.spec, MeshSpec), "the kind's own class"
        tags = document.tags if call.verb == "create" else mesh.tags
        meshes[call.mesh] = replace(mesh, spec=document.spec, tags=tags)
    elif document is None:
        meshes[call.mesh] = replace(mesh, documents={k: d for k, d in mesh.documents.items() if k != call.key})
    else:
        before = mesh.documents.get(call.key)
        kept = document if call.verb == "create" or before is None else replace(document, tags=before.tags)
        meshes[call.mesh] = _with(mesh, [kept])
