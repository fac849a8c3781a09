"""coverage: which fields and words of the model occur in drawn meshes, and how often.

A field is its path through a kind's spec, `Route/httpRoute/match/headers/*/invert`; a word is a path with one of the
few values that it may have. So a generator that never says a thing is found out, also one field under one of its
several parents.
"""

import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from isthmus.model.definition import Definition, Settings
from isthmus.model.kinds import KINDS
from isthmus.model.structure import Structure, members
from tests.drawing.situations import SITUATIONS, met

LEAST = 0.02
"""The share of cases in which each must occur (testing.md)."""
_INDEX = re.compile(r"/\d+(?=/|$)")


def possible() -> tuple[str, ...]:
    """Every field and word that a definition can have."""
    listed: list[tuple[str, type[Structure]]] = [
        *((name, kind.spec) for name, kind in KINDS.items()),
        ("Settings", Settings),
    ]
    return tuple(place for name, spec in listed for place in _reachable(spec, name))


def _reachable(shape: type[Structure], at: str) -> Iterator[str]:
    for name, alias in members(shape):
        yield from _of_type(shape.model_fields[name].annotation, f"{at}/{alias}")


def _of_type(annotation: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - a type
    if isinstance(annotation, type) and issubclass(annotation, Structure):
        yield at
        yield from _reachable(annotation, at)
    elif annotation is bool:
        yield from (at, f"{at}=True", f"{at}=False")
    elif get_origin(annotation) is Literal:
        yield from (at, *(f"{at}={word}" for word in get_args(annotation)))
    elif get_origin(annotation) is tuple:
        yield at
        yield from (place for place in _of_type(get_args(annotation)[0], f"{at}/*") if place != f"{at}/*")
    elif isinstance(annotation, UnionType) or get_origin(annotation) is not None:
        inner = next(each for each in get_args(annotation) if each is not NoneType)
        yield from _of_type(inner, at) if get_origin(annotation) is not dict else (at,)
    else:
        yield at


def said(definition: Definition) -> frozenset[str]:
    """Every field and word that a definition has, and the situations it is in."""
    specs: list[tuple[str, Structure]] = [("Mesh", definition.spec), ("Settings", definition.settings)]
    specs += [(key.kind, document.spec) for key, document in definition.documents.items()]
    return frozenset(place for kind, spec in specs for place in _within(spec, kind)) | met(definition)


def _within(value: Structure, at: str) -> Iterator[str]:
    """The fields that were sent, with all that they hold."""
    for name, alias in members(type(value)):
        if name in value.model_fields_set:
            yield from _of_value(getattr(value, name), f"{at}/{alias}")


def _of_value(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any field's
    yield at
    if isinstance(value, Structure):
        yield from _within(value, at)
    elif isinstance(value, tuple):
        for element in value:
            yield from _of_value(element, f"{at}/*")
    elif isinstance(value, str | bool):
        yield f"{at}={value}"


def shares(counted: Mapping[str, int], number: int) -> Mapping[str, float]:
    """Of every field, word and situation, in which part of so many definitions it occurs; `counted` once in each."""
    return {place: counted.get(place, 0) / number for place in (*possible(), *SITUATIONS)}


def pattern(pointer: str) -> str:
    """A JSON pointer into a document as a path: whichever element of a list."""
    return _INDEX.sub("/*", pointer)
