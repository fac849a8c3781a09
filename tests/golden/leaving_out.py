"""leaving_out: a golden case without one of the fields that it says, and whether anybody notices."""

import copy
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from isthmus.errors import Invalid
from isthmus.model.check import check
from isthmus.model.definition import parse_definition
from isthmus.model.key import Key
from isthmus.model.reading import pointer_of
from isthmus.xds.compile import Compiled, compile_mesh
from tests.drawing.coverage import pattern
from tests.golden.cases import Case, surroundings

Json = Any
Place = tuple[str | int, ...]


class LeftOut(NamedTuple):
    """A field, `Route/httpRoute/match/prefix`, and what was said there.

    `noticed`: leaving it out changes what is compiled, or its effect is denied on the resource's status anyway.
    """

    field: str
    value: Json
    noticed: bool

    @property
    def said(self) -> str:
        """The field with its value, as the reviewed list writes it."""
        return f"{self.field}={json.dumps(self.value, sort_keys=True, ensure_ascii=False)}"


def left_out(case: Case) -> Iterator[LeftOut]:
    """Every field of a case that may be absent, left out by itself; what is no valid definition then is no case."""
    whole = case.definition.json()
    before = _compiled(whole, case)
    assert before is not None, "a golden case is valid"
    denied = {(str(each.key), each.pointer) for each in before.ineffective}
    for kind, place in _places(whole):
        raw = copy.deepcopy(whole)
        holder = _within(raw, place[:-1])
        value = holder.pop(place[-1])
        after = _compiled(raw, case)
        if after is not None:
            yield LeftOut(_called(kind, place), value, after != before or _told(whole, place, denied))


def _told(whole: Json, place: Place, denied: AbstractSet[tuple[str, str]]) -> bool:
    """Whether the field is, or is in, what is told to have no effect."""
    document = whole["resources"][place[1]] if place[0] == "resources" else {"kind": "Mesh", "name": whole["name"]}
    key = str(Key(document["kind"], document["name"], document.get("parent")))
    inner = place[2:] if place[0] == "resources" else place
    return any((key, pointer_of(inner[:length])) in denied for length in range(len(inner) + 1))


def _called(kind: str, place: Place) -> str:
    inner = place[1:] if kind in ("Mesh", "Settings") else place[3:]
    return pattern("/".join([kind, *map(str, inner)]))


def _places(whole: Json) -> Iterator[tuple[str, Place]]:
    """(kind, path) of every member in the mesh's spec, its settings and the specs of its documents."""
    for kind, member in (("Mesh", "spec"), ("Settings", "settings")):
        yield from ((kind, (member, *path)) for path in _members(whole[member]))
    for i, document in enumerate(whole["resources"]):
        yield from ((document["kind"], ("resources", i, "spec", *path)) for path in _members(document["spec"]))


def _members(value: Json) -> Iterator[Place]:
    """The path of every member of every object in a value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (name,)
            yield from ((name, *path) for path in _members(inner))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from ((i, *path) for path in _members(inner))


def _within(raw: Json, path: Place) -> Json:
    for step in path:
        raw = raw[step]
    return raw


def _compiled(raw: Mapping[str, Json], case: Case) -> Compiled | None:
    """None for what the API would refuse."""
    try:
        definition = parse_definition(raw)
    except Invalid:
        return None
    return None if check(definition) else compile_mesh(definition, surroundings(), case.said.get("cluster", "east"))
