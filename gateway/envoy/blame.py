"""blame: which member of a document's spec Envoy refuses, found by leaving out one after another.

The definition is compiled again without the member; if Envoy then accepts the part that it refused, the member is to
blame, and the search goes on inside it for something smaller. What cannot be left out (the model demands it) is put
differently instead, or searched inside. Each distinct content costs one run of Envoy, so there is a limit.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum
from typing import Any

from isthmus.errors import Invalid
from isthmus.model.check import check
from isthmus.model.definition import Definition
from isthmus.model.document import parse_spec
from isthmus.model.key import Key
from isthmus.model.kinds.mesh import MeshSpec
from isthmus.model.reading import pointer_of

Json = Any


class Verdict(Enum):
    """What became of the refused part in another definition."""

    REFUSED = "Envoy refuses it as before"
    MENDED = "Envoy accepts it"
    GONE = "there is no such part any more"
    INVALID = "the model would refuse that definition"


Judge = Callable[[Definition], Verdict]

TRIES = 120
"""Definitions that are tried at most; most differ in nothing that Envoy sees, and cost only their compile."""

_Path = tuple[str | int, ...]


def blamed(definition: Definition, key: Key, judge: Judge, tries: int = TRIES) -> str:
    """A pointer into the document (`/spec/…`); `/spec` if no single member is to blame, empty if there is no spec."""
    if key == Key("Mesh", definition.name):
        spec = definition.spec.json_object()
    elif key in definition.documents:
        spec = definition.documents[key].spec.json_object()
    else:
        return ""
    left = iter(range(tries))

    def tried(changed: Json) -> Verdict:
        if next(left, None) is None:
            return Verdict.REFUSED
        other = _with_spec(definition, key, changed)
        return Verdict.INVALID if other is None else judge(other)

    return pointer_of(("spec", *_inside(spec, (), tried)))


def _inside(spec: Json, path: _Path, tried: Callable[[Json], Verdict]) -> _Path:
    """The deepest path at or below `path` that is to blame.

    First what mends the part and leaves it there; without a node's listeners there is nothing left to be refused, which
    says little, so such members are only searched.
    """
    found: dict[_Path, Verdict] = {}
    for member in _members(_at(spec, path)):
        below = (*path, member)
        found[below] = tried(_put(spec, below))
        plainer = _plainer(spec, below) if found[below] is Verdict.INVALID else ()
        if Verdict.MENDED in (found[below], *map(tried, plainer)):
            return _inside(spec, below, tried)
    for below in (each for each, verdict in found.items() if verdict is not Verdict.REFUSED):
        deeper = _inside(spec, below, tried)
        if deeper != below:
            return deeper
    return next((each for each, verdict in found.items() if verdict is Verdict.GONE), path)


def _members(value: Json) -> Iterator[str | int]:
    if isinstance(value, dict):
        yield from value
    elif isinstance(value, list):
        yield from range(len(value))


def _at(value: Json, path: _Path) -> Json:
    for member in path:
        value = value[member]
    return value


def _plainer(spec: Json, path: _Path) -> Iterator[Json]:
    """The spec with something plain at the path, where a text or a number is."""
    value = _at(spec, path)
    if isinstance(value, str):
        yield from (_put(spec, path, plain) for plain in ("a", "/"))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield _put(spec, path, 1)


_GONE = object()


def _put(value: Json, path: _Path, new: Json = _GONE) -> Json:
    """A copy with another value at the path, or nothing."""
    member, *rest = path
    changed: Json = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        changed[member] = _put(value[member], tuple(rest), new)
    elif new is _GONE:
        del changed[member]
    else:
        changed[member] = new
    return changed


def _with_spec(definition: Definition, key: Key, raw: Json) -> Definition | None:
    """The definition with another spec under that key; None if it would be refused."""
    try:
        spec = parse_spec(key.kind, raw)
    except Invalid:
        return None
    if key.kind == "Mesh":
        assert isinstance(spec, MeshSpec), "the kind's own class"
        return replace(definition, spec=spec)
    documents = dict(definition.documents) | {key: replace(definition.documents[key], spec=spec)}
    other = replace(definition, documents=documents)
    return None if check(other, changed={key}) else other
