"""strict: whether a value is what AWS's service model says, by a checker that shares nothing with ours.

botocore's own checks only what is required, types and minima (appmesh.md §1), so it cannot stand in for this.
"""

import re
from collections.abc import Iterator
from typing import Any

from tests.contract.aws_model import BOUNDS, SHAPES

Json = Any
Finding = tuple[str, str]
"""Where (a JSON pointer), and which rule."""
TYPES: dict[str, type[Any]] = {
    "structure": dict,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
}
NUMBERS = ("integer", "long")


def findings(name: str, value: Json, at: str = "") -> Iterator[Finding]:
    """All that is wrong with a value that should be of this shape."""
    shape = SHAPES[name]
    kind = shape["type"]
    if not isinstance(value, TYPES[kind]) or (kind in NUMBERS and isinstance(value, bool)):
        yield at, "type"
    elif kind == "structure":
        yield from _of_structure(shape, value, at)
    elif kind == "list":
        yield from _outside(len(value), shape.get("min", 0), shape.get("max"), at, ("too few items", "too many items"))
        for i, item in enumerate(value):
            yield from findings(shape["member"]["shape"], item, f"{at}/{i}")
    elif kind in NUMBERS:
        low, high = limits(shape)
        yield from _outside(value, low, high, at, ("too low", "too high"))
    elif kind == "string":
        yield from _of_string(shape, value, at)


def limits(shape: Json) -> tuple[int, int]:
    """The least and the most of a number."""
    low, high = BOUNDS[shape["type"]]
    return shape.get("min", low), shape.get("max", high)


def _of_structure(shape: Json, value: Json, at: str) -> Iterator[Finding]:
    members = shape["members"]
    for name in value.keys() - members.keys():
        yield f"{at}/{name}", "unknown"
    for name in set(shape.get("required", [])) - value.keys():
        yield f"{at}/{name}", "missing"
    if shape.get("union") and len(value) != 1:
        yield at, "two of a union" if value else "none of a union"
    for name in members.keys() & value.keys():
        yield from findings(members[name]["shape"], value[name], f"{at}/{name}")


def _of_string(shape: Json, value: str, at: str) -> Iterator[Finding]:
    if "enum" in shape:
        if value not in shape["enum"]:
            yield at, "enum"
        return
    yield from _outside(len(value), shape.get("min", 0), shape.get("max"), at, ("too short", "too long"))
    if "pattern" in shape and not re.fullmatch(shape["pattern"], value) and value:
        yield at, "pattern"


def _outside(number: int, low: int, high: int | None, at: str, words: tuple[str, str]) -> Iterator[Finding]:
    if number < low:
        yield at, words[0]
    if high is not None and number > high:
        yield at, words[1]
