"""document: one thing in a mesh as it travels and is kept: `{kind, name, parent?, spec, tags}` (contracts.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from isthmus.errors import Invalid
from isthmus.model.key import Key
from isthmus.model.kinds import KINDS, ResourceKind
from isthmus.model.reading import Findings, read, refuse_unstorable
from isthmus.model.structure import Maybe, Name, Structure

__all__ = ["Document", "Key", "Spec", "Tags", "parse_document", "parse_spec"]

Spec = Structure
"""The spec of any kind; its class is the kind's."""

Tags = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=128)], Annotated[str, Field(max_length=256)]],
    Field(max_length=50),
]
"""App Mesh's limits (appmesh.md §2.2)."""

META = "meta"
"""What we add to answers and ignore on write, so that what was read can be sent back."""


@dataclass(frozen=True)
class Document:
    """A key and what is said under it."""

    key: Key
    spec: Spec
    tags: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """The document as it travels: what was sent, and nothing else."""
        parent = {} if self.key.parent is None else {"parent": self.key.parent}
        tags = {"tags": dict(self.tags)} if self.tags else {}
        return {"kind": self.key.kind, "name": self.key.name} | parent | {"spec": self.spec.json_object()} | tags


class _Envelope(Structure):
    """Everything of a document but its spec, whose shape depends on the kind."""

    model_config = ConfigDict(alias_generator=None)

    kind: str
    name: Name
    parent: Maybe[Name] = None
    spec: Any
    tags: Maybe[Tags] = None


def parse_document(raw: Any, *, pointer: str = "") -> Document:  # noqa: ANN401 - decoded JSON
    """A document out of decoded JSON. Raises Invalid with every violation, pointers beginning with `pointer`."""
    if isinstance(raw, dict):
        raw = {member: value for member, value in raw.items() if member != META}
    found = Findings()
    envelope = found.of(lambda: read(_Envelope, raw, pointer))
    kind = _kind(raw, pointer, found)
    spec = found.of(lambda: parse_spec(kind.name, raw["spec"], pointer=f"{pointer}/spec")) if kind else None
    found.refuse()
    assert envelope is not None, "what is missing has been found"
    assert spec is not None, "what is missing has been found"
    refuse_unstorable({member: value for member, value in raw.items() if member != "spec"}, pointer)
    return Document(Key(envelope.kind, envelope.name, envelope.parent), spec, envelope.tags or {})


def _kind(raw: Any, pointer: str, found: Findings) -> ResourceKind[Any] | None:  # noqa: ANN401 - decoded JSON
    """The kind of a raw document that has a spec to parse, as far as it says them."""
    named = raw.get("kind") if isinstance(raw, dict) else None
    if not isinstance(named, str):
        return None
    kind = KINDS.get(named)
    if kind is None:
        found.add(f"{pointer}/kind", "not_one_of", f"must be one of {', '.join(KINDS)}")
        return None
    if kind.parent and "parent" not in raw:
        found.add(f"{pointer}/parent", "missing", f"a {kind.name} needs the name of its {kind.parent}")
    if not kind.parent and "parent" in raw:
        found.add(f"{pointer}/parent", "unknown_field", f"a {kind.name} has no parent")
    return kind if "spec" in raw else None


def parse_spec(kind: str, raw: Any, *, pointer: str = "/spec") -> Spec:  # noqa: ANN401 - decoded JSON
    """A kind's spec out of decoded JSON. Raises Invalid with every violation; KeyError for a kind that is none."""
    spec: Spec = read(KINDS[kind].spec, raw, pointer)
    refuse_unstorable(raw, pointer)
    return spec


def parse_named(raw: Any, pointer: str = "") -> Document:  # noqa: ANN401 - decoded JSON
    """A document of a mesh: any kind but the mesh's own."""
    document = parse_document(raw, pointer=pointer)
    if document.key.kind == "Mesh":
        raise Invalid.one(f"{pointer}/kind", "not_one_of", "a mesh is not in a mesh")
    return document
