"""Every limit of AWS's service model, broken once: refused, with its own pointer and code and nothing else.

`test_appmesh_model` compares what we declare; this shows that what we declare is enforced, for each field of each kind.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import botocore
import pytest

from isthmus.errors import Invalid
from isthmus.model.document import parse_spec
from isthmus.model.structure import INT_MAX, LONG_MAX

MODEL = Path(botocore.__file__).parent / "data/appmesh/2019-01-25/service-2.json.gz"
SHAPES = json.loads(gzip.decompress(MODEL.read_bytes()))["shapes"]
HIGHEST = {"integer": INT_MAX, "long": LONG_MAX}
Json = Any


class Fault(NamedTuple):
    """A value with one fault in it: where, which."""

    pointer: str
    code: str
    value: Json


def each(code: str, values: tuple[Json, ...]) -> Iterator[Fault]:
    """Several values with the same fault."""
    return (Fault("", code, value) for value in values)


def valid(name: str) -> Json:
    """The least that a shape accepts."""
    shape = SHAPES[name]
    match shape["type"]:
        case "structure" if shape.get("union"):
            member, of = next(iter(shape["members"].items()))
            return {member: valid(of["shape"])}
        case "structure":
            return {member: valid(shape["members"][member]["shape"]) for member in shape.get("required", [])}
        case "list":
            return [valid(shape["member"]["shape"])] * shape.get("min", 0)
        case "string":
            return shape["enum"][0] if "enum" in shape else "a" * shape.get("min", 0)
        case "boolean":
            return False
    return shape.get("min", 0)


def faults(name: str) -> Iterator[Fault]:
    """Every way to break a shape once."""
    shape = SHAPES[name]
    match shape["type"]:
        case "structure":
            yield from of_structure(name, shape)
        case "list":
            yield from of_list(shape)
        case "string":
            yield from of_string(shape)
        case "boolean":
            yield from each("wrong_type", (None, 0, 1, "true", []))
        case _:
            yield from each("wrong_type", (None, True, "1", 1.0, []))
            low, high = shape.get("min", -HIGHEST[shape["type"]] - 1), shape.get("max", HIGHEST[shape["type"]])
            yield from each("out_of_range", (low - 1, high + 1))


def of_structure(name: str, shape: Json) -> Iterator[Fault]:
    least, union = valid(name), shape.get("union", False)
    yield from each("wrong_type", (None, [], "text", 1))
    yield Fault("/unknown", "unknown_field", least | {"unknown": 1})
    if union:
        yield Fault("", "exactly_one_member", {})
        if len(shape["members"]) > 1:
            yield Fault("", "exactly_one_member", {m: valid(of["shape"]) for m, of in shape["members"].items()})
    else:
        for member in shape.get("required", []):
            yield Fault(f"/{member}", "missing", {m: value for m, value in least.items() if m != member})
    for member, of in shape["members"].items():
        for fault in faults(of["shape"]):
            value = ({} if union else least) | {member: fault.value}
            yield Fault(f"/{member}{fault.pointer}", fault.code, value)


def of_list(shape: Json) -> Iterator[Fault]:
    member = shape["member"]["shape"]
    yield from each("wrong_type", (None, {}, "text", 1))
    if shape.get("min"):
        yield Fault("", "too_short", [])
    if "max" in shape:
        yield Fault("", "too_long", [valid(member)] * (shape["max"] + 1))
    for fault in faults(member):
        yield Fault(f"/0{fault.pointer}", fault.code, [fault.value])


def of_string(shape: Json) -> Iterator[Fault]:
    if "enum" in shape:
        yield from each("not_one_of", (None, 1, "", shape["enum"][0].swapcase()))
        return
    yield from each("wrong_type", (None, 1, True, {}))
    if shape.get("min"):
        yield Fault("", "too_short", "")
    if "max" in shape:
        yield Fault("", "too_long", "a" * (shape["max"] + 1))
    if "pattern" in shape:
        yield Fault("", "pattern_mismatch", "ä")


@pytest.mark.parametrize(
    ("kind", "at_least"),
    [
        ("Mesh", 15), ("VirtualNode", 800), ("VirtualService", 25), ("VirtualRouter", 25), ("Route", 800),
        ("VirtualGateway", 400), ("GatewayRoute", 500),
    ],
)  # fmt: skip
def test_each_limit_broken_once_is_named(kind: str, at_least: int) -> None:
    spec = f"{kind}Spec"
    assert parse_spec(kind, valid(spec)).json_object() == valid(spec)
    wrong = []
    tried = list(faults(spec))
    for fault in tried:
        try:
            parse_spec(kind, fault.value)
            found = set()
        except Invalid as invalid:
            found = {(v.pointer, v.code) for v in invalid.violations}
        if found != {(f"/spec{fault.pointer}", fault.code)}:
            wrong.append((fault, found))
    assert wrong == []
    assert len(tried) >= at_least
