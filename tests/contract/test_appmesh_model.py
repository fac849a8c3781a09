"""Our structures against AWS's own service model, field by field: neither looser nor tighter.

Compares the JSON schema of each of our specs with botocore's shape: members, required, types, enums, ranges, lengths,
patterns, unions. What the schema says is what pydantic enforces.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import pytest

from isthmus.model.kinds import KINDS
from isthmus.model.structure import INT_MAX, LONG_MAX

MODEL = Path(botocore.__file__).parent / "data/appmesh/2019-01-25/service-2.json.gz"
SHAPES = json.loads(gzip.decompress(MODEL.read_bytes()))["shapes"]
BOUNDS = {"integer": (-INT_MAX - 1, INT_MAX), "long": (-LONG_MAX - 1, LONG_MAX)}
KINDS_OF_APP_MESH = (
    "Mesh", "VirtualNode", "VirtualService", "VirtualRouter", "Route", "VirtualGateway", "GatewayRoute",
)  # fmt: skip


def expected(name: str) -> dict[str, Any]:
    """AWS's shape in the words of JSON schema."""
    shape = SHAPES[name]
    match shape["type"]:
        case "structure":
            return structure(shape)
        case "list":
            limits = {"minItems": shape.get("min"), "maxItems": shape.get("max")}
            return {"type": "array", "items": expected(shape["member"]["shape"])} | said(limits)
        case "string":
            limits = {"minLength": shape.get("min"), "maxLength": shape.get("max"), "pattern": shape.get("pattern")}
            enum = sorted(shape["enum"]) if "enum" in shape else None
            return {"type": "string", "enum": enum} | said(limits) if enum else {"type": "string"} | said(limits)
        case "integer" | "long":
            low, high = BOUNDS[shape["type"]]
            return {"type": "integer", "minimum": shape.get("min", low), "maximum": shape.get("max", high)}
        case "boolean":
            return {"type": "boolean"}
    raise AssertionError(shape)


def structure(shape: dict[str, Any]) -> dict[str, Any]:
    """An object, closed; a union has exactly one member."""
    fields = {member: expected(of["shape"]) for member, of in shape["members"].items()}
    made = {"type": "object", "properties": fields, "required": sorted(shape.get("required", []))}
    return made | {"additionalProperties": False} | (ONE if shape.get("union") else {})


ONE = {"minProperties": 1, "maxProperties": 1}


def said(limits: dict[str, Any]) -> dict[str, Any]:
    """Only the limits there are."""
    return {name: limit for name, limit in limits.items() if limit is not None}


def ours(schema: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """Our JSON schema with references followed and prose left out."""
    if "$ref" in schema:
        return ours(defs[schema["$ref"].rpartition("/")[2]], defs)
    made = {name: value for name, value in schema.items() if name not in ("title", "description", "$defs")}
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if "enum" in made:
        made["enum"] = sorted(made["enum"])
    if "items" in made:
        made["items"] = ours(made["items"], defs)
    if made["type"] == "object":
        made["properties"] = {k: ours(v, defs) for k, v in made.get("properties", {}).items()}
        made["required"] = sorted(made.get("required", []))
    return made


def differences(theirs: Any, mine: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - parts of schemas
    """Where two schemas differ, each place named."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        for key in sorted(theirs.keys() | mine.keys()):
            yield from differences(theirs.get(key), mine.get(key), f"{at}/{key}")
    elif theirs != mine:
        yield f"{at}: App Mesh has {theirs!r}, we have {mine!r}"


def compare(kind: str) -> list[str]:
    """Every difference of a kind's spec."""
    schema = KINDS[kind].spec.model_json_schema()
    return list(differences(expected(f"{kind}Spec"), ours(schema, schema.get("$defs", {})), kind))


@pytest.mark.parametrize("kind", KINDS_OF_APP_MESH)
def test_a_spec_is_exactly_app_meshs(kind: str) -> None:
    assert compare(kind) == []


def test_the_comparison_finds_a_loosened_field(monkeypatch: pytest.MonkeyPatch) -> None:
    port = {"type": "integer", "box": True, "max": 65534, "min": 1}
    monkeypatch.setitem(SHAPES, "PortNumber", port)
    assert any("maximum: App Mesh has 65534, we have 65535" in line for line in compare("VirtualRouter"))
    monkeypatch.setitem(SHAPES["VirtualServiceProvider"], "union", None)
    assert any("maxProperties" in line for line in compare("VirtualService"))
