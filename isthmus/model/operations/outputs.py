"""outputs: what each call answers (appmesh.md §2.2). Single things are the whole body; lists and tags are objects."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field

from isthmus.model.kinds import KINDS
from isthmus.model.operations.inputs import MAYBE, AccountId, Fields, TagList, named, shape
from isthmus.model.operations.words import Word
from isthmus.model.structure import LONG_MAX, Many, Maybe, Structure

Timestamp = float
"""Seconds since 1970, with a fraction."""
Version = Annotated[int, Field(ge=-LONG_MAX - 1, le=LONG_MAX)]


_MANY: Any = Many


class ResourceMetadata(Structure):
    """What App Mesh says of a resource. `version` counts its specs from 1."""

    arn: str
    created_at: Timestamp
    last_updated_at: Timestamp
    mesh_owner: AccountId
    resource_owner: AccountId
    uid: str
    version: Version


Code = Literal["ACTIVE", "INACTIVE", "DELETED"]


class Status(Structure):
    """Whether a resource is there."""

    status: Code


class MeshStatus(Structure):
    """The same of a mesh; App Mesh does not promise it."""

    status: Maybe[Code] = None


class ListTagsForResourceOutput(Structure):
    """A page of tags, in their order."""

    tags: TagList
    next_token: Maybe[str] = None


class Nothing(Structure):
    """TagResource and UntagResource answer with an empty object."""


def data_of(kind: str) -> type[Structure]:
    """A whole resource."""
    said: Fields = {"metadata": ResourceMetadata, "spec": KINDS[kind].spec}
    said = {**said, "status": MeshStatus if kind == "Mesh" else Status}
    return shape(f"{kind}Data", {**named(kind), **said})


@cache
def reference_of(kind: str) -> type[Structure]:
    """A resource in a list: no spec, no uid."""
    metadata = {name: field.annotation for name, field in ResourceMetadata.model_fields.items() if name != "uid"}
    limited = {"mesh_owner": AccountId, "resource_owner": AccountId, "version": Version}
    return shape(f"{kind}Ref", {**named(kind), **metadata, **limited})


def list_of(kind: str) -> type[Structure]:
    """A page of references."""
    plural = Word(kind).plural
    field = "".join(f"_{c.lower()}" if c.isupper() else c for c in plural)
    listed = _MANY[reference_of(kind)]
    return shape(f"List{plural[0].upper()}{plural[1:]}Output", {field: listed, "next_token": MAYBE[str]})
