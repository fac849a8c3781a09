"""breaking: a valid spec with exactly one constraint of AWS's model broken, at a place drawn at random."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isthmus.model.operations.words import APP_MESH_KINDS
from tests.contract.appmesh.making import Maker
from tests.contract.appmesh.specs import MAKERS, Case, case_of
from tests.contract.appmesh.strict import limits
from tests.contract.aws_model import SHAPES

Json = Any
Path = tuple[str | int, ...]
WRONG: Mapping[str, Sequence[Json]] = {
    "structure": ([], "text", 1, True),
    "list": ({}, "text", 1, False),
    "string": (1, True, {}, [], 1.5),
    "boolean": (0, 1, "true", [], {}),
    "integer": (True, False, 1.0, 2.5, "1", []),
    "long": (True, False, 1.0, 5000.0, "1", {}),
}
"""Values of another type, the ones that Python confuses among them."""
ENUMS = [shape["enum"] for shape in SHAPES.values() if "enum" in shape]
STRANGE = ("", "h2", "IPV4_ONLY", " http", "true", "\u212a")
EVERYWHERE = {"type", "unknown", "missing"}
"""What every spec has places for; the rest is broken where it can be, patterns, which one shape has, most of all."""
KINDS = (*APP_MESH_KINDS, *["VirtualNode"] * 3, "Route", "GatewayRoute", "VirtualGateway")


@dataclass(frozen=True)
class Broken:
    """A spec that was valid until one rule was broken; `pointer` is the place, from the spec."""

    case: Case
    rule: str
    pointer: str


@dataclass(frozen=True)
class Place:
    """A value within a spec, and its shape."""

    path: Path
    shape: str
    value: Json


def places(shape: str, value: Json, path: Path = ()) -> Iterator[Place]:
    """A value and all within."""
    yield Place(path, shape, value)
    model = SHAPES[shape]
    if model["type"] == "structure":
        for member, inner in value.items():
            yield from places(model["members"][member]["shape"], inner, (*path, member))
    elif model["type"] == "list":
        for i, inner in enumerate(value):
            yield from places(model["member"]["shape"], inner, (*path, i))


def rules(place: Place) -> Iterator[str]:
    """The rules that can be broken at a place, by the names that `strict` gives them; and null in a list."""
    shape = SHAPES[place.shape]
    yield "type"
    if place.path and isinstance(place.path[-1], int):
        yield "null"
    match shape["type"]:
        case "structure":
            yield from _of_structure(shape)
        case "list":
            limited = {"too few items": shape.get("min"), "too many items": place.value and shape.get("max")}
            yield from (rule for rule, limit in limited.items() if limit)
        case "string":
            limited = {"too short": shape.get("min"), "too long": shape.get("max")} | {"pattern": shape.get("pattern")}
            yield from ["enum"] if "enum" in shape else (rule for rule, limit in limited.items() if limit)
        case "boolean":
            yield "boolean"
        case _:
            yield from ("too low", "too high")


def _of_structure(shape: Json) -> Iterator[str]:
    if shape.get("union"):
        yield "none of a union"
        if len(shape["members"]) > 1:
            yield "two of a union"
    else:
        yield "unknown"
        if shape.get("required"):
            yield "missing"


def _less(shape: Json, value: Json, maker: Maker) -> Json:
    gone = maker.one(shape["required"])
    return {name: inner for name, inner in value.items() if name != gone}


def _two(shape: Json, value: Json, maker: Maker) -> Json:
    other = maker.one([member for member in shape["members"] if member not in value])
    return value | {other: maker.make(shape["members"][other]["shape"])}


def _wrong_type(shape: Json, _value: Json, maker: Maker) -> Json:
    return maker.one(WRONG[shape["type"]])


def _longer(shape: Json, value: Json, maker: Maker) -> Json:
    return (value * (shape["max"] + 1))[: shape["max"] + maker.one((1, 1, 50))]


BROKEN: Mapping[str, Callable[[Json, Json, Maker], Json]] = {
    "boolean": _wrong_type,
    "enum": lambda shape, _, maker: maker.one(maker.one(_strangers(shape["enum"]))),
    "missing": _less,
    "none of a union": lambda *_: {},
    "null": lambda *_: None,
    "pattern": lambda _shape, _value, maker: maker.one((" a", "ä", "a\u00a0b", "a\nb")),
    "too few items": lambda *_: [],
    "too high": lambda shape, _, maker: limits(shape)[1] + maker.one((1, 1, 1000)),
    "too long": _longer,
    "too low": lambda shape, _, maker: limits(shape)[0] - maker.one((1, 1, 1000)),
    "too many items": _longer,
    "too short": lambda shape, value, _: value[: shape["min"] - 1],
    "two of a union": _two,
    "type": _wrong_type,
    "unknown": lambda _, value, maker: value | {"unknown": maker.one((1, "x", False))},
}
"""By rule: what stands at a place instead, of its shape, its value and chance."""


def place_of(rule: str, place: Place, new: Json) -> str:
    """Where a refusal must say that the rule is broken: at a member, if that is what is missing or too much."""
    changed = sorted(new.keys() ^ place.value.keys()) if rule in ("missing", "unknown") else []
    return "".join(f"/{part}" for part in (*place.path, *changed))


def _strangers(enum: Sequence[str]) -> Sequence[Sequence[str]]:
    """What similar enums have and this one has not; its own values in the other case; and what no enum has."""
    similar = sorted({value for other in ENUMS if set(other) & set(enum) for value in other} - set(enum))
    swapped = sorted({value.swapcase() for value in enum} - set(enum))
    return [pool for pool in (similar, similar, similar, swapped, STRANGE) if pool]


def put(value: Json, path: Path, new: Json) -> Json:
    """A value with another one at a place."""
    if not path:
        return new
    first, *rest = path
    if isinstance(value, dict):
        return value | {str(first): put(value[first], tuple(rest), new)}
    assert isinstance(first, int), "lists have numbers"
    return [put(inner, tuple(rest), new) if i == first else inner for i, inner in enumerate(value)]


def broken_of(maker: Maker) -> Broken:
    """One rule broken in a valid spec."""
    case = case_of(maker, KINDS)
    ways = defaultdict(list)
    for place in places(f"{case.kind}Spec", case.spec):
        for rule in rules(place):
            ways[rule].append(place)
    special = ways.keys() - EVERYWHERE if maker.chance(65) else set()
    rule = (
        "pattern" if "pattern" in ways and maker.chance(80) else maker.one(sorted(special or ways.keys() & EVERYWHERE))
    )
    shape = maker.one(sorted({place.shape for place in ways[rule]}))
    fitting = [place for place in ways[rule] if place.shape == shape]
    place = fitting[maker.number(0, len(fitting) - 1)]
    new = BROKEN[rule](SHAPES[place.shape], place.value, maker)
    return Broken(replace(case, spec=put(case.spec, place.path, new)), rule, place_of(rule, place, new))


BREAKINGS = MAKERS.map(broken_of)
