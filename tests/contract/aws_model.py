"""aws_model: AWS's own service model, and how ours is compared with it: as JSON schemas, place by place.

Members, required, types, enums, ranges, lengths, patterns, unions. What our schema says is what pydantic enforces.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore

from isthmus.model.structure import INT_MAX, LONG_MAX, Structure

MODEL = Path(botocore.__file__).parent / "data/appmesh/2019-01-25/service-2.json.gz"
SERVICE = json.loads(gzip.decompress(MODEL.read_bytes()))
SHAPES = SERVICE["shapes"]
BOUNDS = {"integer": (-INT_MAX - 1, INT_MAX), "long": (-LONG_MAX - 1, LONG_MAX)}


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
        case "timestamp":
            return {"type": "number"}  # seconds since 1970 (appmesh.md §2.2)
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


def compare(shape: str, mine: type[Structure], at: str) -> list[str]:
    """Every difference between AWS's shape and a structure of ours."""
    schema = mine.model_json_schema()
    return list(differences(expected(shape), ours(schema, schema.get("$defs", {})), at))
