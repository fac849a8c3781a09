"""table: the 38 operations, by name and by path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from isthmus.model.operations import inputs, outputs
from isthmus.model.operations.words import APP_MESH_KINDS, Word, owners
from isthmus.model.structure import Structure

BASE = "/v20190125"

ERRORS: Mapping[str, int] = {
    "BadRequestException": 400,
    "ConflictException": 409,
    "ForbiddenException": 403,
    "InternalServerErrorException": 500,
    "LimitExceededException": 400,
    "NotFoundException": 404,
    "ResourceInUseException": 409,
    "ServiceUnavailableException": 503,
    "TooManyRequestsException": 429,
    "TooManyTagsException": 400,
}
"""App Mesh's exceptions and their HTTP status (appmesh.md §2.3)."""

_ALWAYS = frozenset(
    {"BadRequestException", "ForbiddenException", "InternalServerErrorException", "NotFoundException"}
    | {"ServiceUnavailableException", "TooManyRequestsException"}
)
_ALSO: Mapping[str, frozenset[str]] = {
    "Create": frozenset({"ConflictException", "LimitExceededException"}),
    "Update": frozenset({"ConflictException", "LimitExceededException"}),
    "Delete": frozenset({"ResourceInUseException"}),
}


@dataclass(frozen=True)
class Operation:
    """One call. `kind` is None for tags, which are on any kind. `path` has `{label}`s; `query` are members in JSON."""

    name: str
    verb: str
    kind: str | None
    method: str
    path: str
    query: tuple[str, ...]
    asked: type[Structure]
    answered: type[Structure]
    errors: frozenset[str]


def _of_kind(kind: str) -> Iterator[Operation]:
    collection, item = _paths(kind)
    owner = () if kind == "Mesh" else ("meshOwner",)
    page = ("limit", *owner, "nextToken")
    data, listed, plural = outputs.data_of(kind), outputs.list_of(kind), Word(kind).plural
    for verb, method, path, query in (
        ("Create", "PUT", collection, owner),
        ("Describe", "GET", item, ("meshOwner",)),
        ("Update", "PUT", item, owner),
        ("Delete", "DELETE", item, owner),
    ):
        errors = _ALWAYS | _ALSO.get(verb, frozenset())
        if (verb, kind) == ("Update", "Mesh"):
            errors -= {"LimitExceededException"}
        asked = inputs.input_of(verb, kind)
        yield Operation(f"{verb}{kind}", verb, kind, method, path, query, asked, data, errors)
    name = f"List{plural[0].upper()}{plural[1:]}"
    yield Operation(name, "List", kind, "GET", collection, page, inputs.input_of("List", kind), listed, _ALWAYS)


def _paths(kind: str) -> tuple[str, str]:
    """The paths of all, and of one. Routes lie under the singular of what they lie in."""
    within = "".join(f"/{word.plural if word.kind == 'Mesh' else word.member}/{{{word.name}}}" for word in owners(kind))
    collection = f"{BASE}{within}/{Word(kind).plural}"
    return collection, f"{collection}/{{{Word(kind).name}}}"


def _of_tags() -> Iterator[Operation]:
    arn, page = ("resourceArn",), ("limit", "nextToken", "resourceArn")
    listing, listed = inputs.ListTagsForResourceInput, outputs.ListTagsForResourceOutput
    yield Operation("ListTagsForResource", "ListTags", None, "GET", f"{BASE}/tags", page, listing, listed, _ALWAYS)
    many = _ALWAYS | {"TooManyTagsException"}
    tagging, untagging, nothing = inputs.TagResourceInput, inputs.UntagResourceInput, outputs.Nothing
    yield Operation("TagResource", "Tag", None, "PUT", f"{BASE}/tag", arn, tagging, nothing, many)
    yield Operation("UntagResource", "Untag", None, "PUT", f"{BASE}/untag", arn, untagging, nothing, _ALWAYS)


OPERATIONS: Mapping[str, Operation] = {
    operation.name: operation for of in (*map(_of_kind, APP_MESH_KINDS), _of_tags()) for operation in of
}
