"""calls: App Mesh API calls as a script makes them, `{"operation", "params"}` with boto3's parameters, as changes.

Create and Update both put a document. Which of them it was is kept, because App Mesh answers them differently.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict

from isthmus.errors import Invalid, Violation
from isthmus.model.document import Document, Key
from isthmus.model.kinds import KINDS
from isthmus.model.operations.table import OPERATIONS, Operation
from isthmus.model.operations.words import APP_MESH_KINDS, Word, owners
from isthmus.model.reading import read, refuse_unstorable
from isthmus.model.structure import Structure

Verb = Literal["create", "update", "delete"]
_VERBS: Mapping[str, Verb] = {"Create": "create", "Update": "update", "Delete": "delete"}
LONGEST_NAME = 255


@dataclass(frozen=True)
class Call:
    """A change of one document of the mesh `mesh`, which for kind Mesh is the mesh itself."""

    verb: Verb
    mesh: str
    key: Key
    document: Document | None
    """What is put; None for a delete."""

    @property
    def op(self) -> Literal["put", "delete"]:
        """What it does to the mesh."""
        return "delete" if self.document is None else "put"


class _Line(Structure):
    model_config = ConfigDict(alias_generator=None)

    operation: str
    params: dict[str, Any]


def change_of(call: Any, *, pointer: str = "") -> Call:  # noqa: ANN401 - decoded JSON
    """The change that a call asks for. Raises Invalid with every violation, pointers beginning with `pointer`."""
    line = read(_Line, call, pointer)
    operation = OPERATIONS.get(line.operation)
    if operation is None or operation.verb not in _VERBS:
        detail = (
            f"{line.operation!r} changes no resource: must be Create, Update or Delete of {', '.join(APP_MESH_KINDS)}"
        )
        raise Invalid.one(f"{pointer}/operation", "not_one_of", detail)
    asked = asked_of(operation, line.params, f"{pointer}/params")
    document = None if operation.verb == "Delete" else document_of(operation, asked)
    return Call(_VERBS[operation.verb], asked.mesh_name, key_of(operation, asked), document)  # type: ignore[attr-defined]  # by rule


def asked_of(operation: Operation, params: Any, pointer: str = "") -> Structure:  # noqa: ANN401 - decoded JSON
    """A call's parameters as boto3 takes them. Invalid with every violation, beyond the shapes' own limits too."""
    asked = read(operation.asked, params, pointer)
    refuse_unstorable(params, pointer)
    wrong = [(f"{pointer}/tags/{i}/key", "duplicate", "this key is in the list already") for i in _repeated(asked)]
    if operation.kind and operation.verb != "List":
        wrong += [(f"{pointer}/{Word(operation.kind).name}", *why) for why in _misnamed(operation.kind, asked)]
    if wrong:
        raise Invalid(Violation(*each) for each in wrong)
    return asked


def _misnamed(kind: str, asked: Structure) -> Iterator[tuple[str, str]]:
    """What is wrong with a name beyond its shape: a service's has none, and no client can send a dot segment."""
    name = getattr(asked, Word(kind).field)
    if not 1 <= len(name) <= LONGEST_NAME:
        yield "too_long" if name else "too_short", f"must have 1 to {LONGEST_NAME} characters"
    if name in {".", ".."}:
        yield "dot_segment", "must not be . or .., which no URL can name"


def key_of(operation: Operation, asked: Structure) -> Key:
    """What a call of one kind is about."""
    assert operation.kind is not None, "tags are found by their ARN"
    parent = getattr(asked, owners(operation.kind)[-1].field) if KINDS[operation.kind].parent else None
    return Key(operation.kind, getattr(asked, Word(operation.kind).field), parent)


def document_of(operation: Operation, asked: Structure) -> Document:
    """What a call puts. A mesh's spec may be left out; tags are said by Create alone."""
    assert operation.kind is not None, "tags are found by their ARN"
    spec = getattr(asked, "spec", None)
    tags = getattr(asked, "tags", None) or ()
    return Document(
        key_of(operation, asked), spec or KINDS[operation.kind].spec(), {tag.key: tag.value for tag in tags}
    )


def _repeated(asked: Structure) -> Iterator[int]:
    """The tags whose key has been in the list before."""
    keys = [tag.key for tag in getattr(asked, "tags", None) or ()]
    return (i for i, key in enumerate(keys) if key in keys[:i])
