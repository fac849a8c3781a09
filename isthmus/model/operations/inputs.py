"""inputs: what each call asks, with AWS's limits (appmesh.md §2.1, §2.2)."""

from typing import Annotated, Any

from pydantic import Field, create_model

from isthmus.model.kinds import KINDS
from isthmus.model.operations.words import Word, owners
from isthmus.model.structure import Items, Many, Maybe, Name, Structure

AccountId = Annotated[str, Field(min_length=12, max_length=12)]
TagKey = Annotated[str, Field(min_length=1, max_length=128)]
TagValue = Annotated[str, Field(min_length=0, max_length=256)]
Limit = Annotated[int, Field(ge=1, le=100)]
TagsLimit = Annotated[int, Field(ge=1, le=50)]
Fields = dict[str, Any]
"""Python name → type; `Maybe` is what may be left out."""
MAYBE: Any = Maybe
"""For types made by rule, which a type checker cannot follow."""


class TagRef(Structure):
    """One tag."""

    key: TagKey
    value: TagValue


TagList = Annotated[Many[TagRef], Items(0, 50)]

_OWNER: Fields = {"mesh_owner": MAYBE[AccountId]}
_PAGE: Fields = {"limit": MAYBE[Limit], "next_token": MAYBE[str]}
_TOKEN: Fields = {"client_token": MAYBE[str]}


class ListTagsForResourceInput(Structure):
    """Which tags of what."""

    resource_arn: str
    limit: Maybe[TagsLimit] = None
    next_token: Maybe[str] = None


class TagResourceInput(Structure):
    """Which tags to set; others stay."""

    resource_arn: str
    tags: TagList


class UntagResourceInput(Structure):
    """Which tags to take away."""

    resource_arn: str
    tag_keys: Annotated[Many[TagKey], Items(0, 50)]


def input_of(verb: str, kind: str) -> type[Structure]:
    """What a verb asks of a kind."""
    fields = {"Create": _create, "Update": _update, "Describe": _describe, "Delete": _delete, "List": _list}[verb](kind)
    return shape(f"{verb}{Word(kind).plural if verb == 'List' else kind}Input", fields)


def shape(name: str, fields: Fields) -> type[Structure]:
    """A structure made by rule."""
    given = {field: (of, None if _optional(of) else ...) for field, of in fields.items()}
    made: type[Structure] = create_model(name, __base__=Structure, __doc__=name, **given)  # type: ignore[call-overload]
    return made


def _optional(of: Any) -> bool:  # noqa: ANN401 - a type
    """`Maybe[…]` is a union with None."""
    return type(None) in getattr(getattr(of, "__origin__", of), "__args__", ())


def within(kind: str) -> Fields:
    """The names of what it lies in."""
    return {word.field: Name for word in owners(kind)}


def named(kind: str) -> Fields:
    """The names of what it lies in, and its own. A service's has no limits in the model: other calls set them."""
    own = str if kind == "VirtualService" else Name
    return within(kind) | {Word(kind).field: own}


def _create(kind: str) -> Fields:
    spec = KINDS[kind].spec
    owner: Fields = {} if kind == "Mesh" else _OWNER
    return named(kind) | owner | _TOKEN | {"spec": MAYBE[spec] if kind == "Mesh" else spec, "tags": MAYBE[TagList]}


def _update(kind: str) -> Fields:
    return {name: of for name, of in _create(kind).items() if name != "tags"}


def _describe(kind: str) -> Fields:
    return {**named(kind), **_OWNER}


def _delete(kind: str) -> Fields:
    return named(kind) if kind == "Mesh" else _describe(kind)


def _list(kind: str) -> Fields:
    if kind == "Mesh":
        return _PAGE
    return within(kind) | _OWNER | _PAGE
