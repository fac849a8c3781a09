"""fitting: a spec in somebody else's spelling, in App Mesh's: the model's schema says how each member is written.

CloudFormation writes `AWSCloudMap`, `TLS`, `ACM`, the Kubernetes controller `certificateARN`: all differ from App
Mesh's in case alone, everywhere in the tree, so a member is found by its letters and no list of spellings is kept.

What the schema does not know is treated as its system does: the Kubernetes API server prunes it, CloudFormation refuses
it. CloudFormation passes numbers and booleans as text, the API server does not.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from isthmus.model.kinds import KINDS

Json = Any
TRUTH = {"true": True, "false": False}


def pruned(kind: str, raw: Json) -> tuple[Json, tuple[str, ...]]:
    """A spec as the API server keeps it, and the fields that it drops: `backends[].clientPolicy.tls.mode`.

    Null and empty lists mean "not said": the controller sends neither.
    """
    schema = _schema(kind)
    return _pruned(raw, schema, schema), tuple(_unknown(raw, schema, schema, ""))


def coerced(kind: str, raw: Json) -> Json:
    """A spec as CloudFormation hands it on; members that do not exist are kept, for the model to refuse."""
    schema = _schema(kind)
    return _coerced(raw, schema, schema)


@cache
def _schema(kind: str) -> dict[str, Json]:
    schema: dict[str, Json] = KINDS[kind].spec.model_json_schema(by_alias=True)
    return schema


def _shape(schema: Json, root: Json) -> Json:
    """The schema itself where it is a reference."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _members(raw: Mapping[str, Json], shape: Json) -> Iterator[tuple[str, str | None, Json]]:
    """(key as written, member's own spelling or None, value)."""
    spelled = {name.lower(): name for name in shape["properties"]}
    for key, value in raw.items():
        yield key, spelled.get(str(key).lower()), value


def _pruned(raw: Json, schema: Json, root: Json) -> Json:
    shape = _shape(schema, root)
    if isinstance(raw, dict) and "properties" in shape:
        return {
            name: _pruned(value, shape["properties"][name], root)
            for _, name, value in _members(raw, shape)
            if name is not None and value not in (None, [])
        }
    if isinstance(raw, list) and "items" in shape:
        return [_pruned(item, shape["items"], root) for item in raw]
    return raw


def _unknown(raw: Json, schema: Json, root: Json, path: str) -> Iterator[str]:
    shape = _shape(schema, root)
    if isinstance(raw, dict) and "properties" in shape:
        for key, name, value in _members(raw, shape):
            field = f"{path}.{key}".removeprefix(".")
            if name is None:
                yield field
            else:
                yield from _unknown(value, shape["properties"][name], root, field)
    if isinstance(raw, list) and "items" in shape:
        for item in raw:
            yield from _unknown(item, shape["items"], root, f"{path}[]")


def _coerced(raw: Json, schema: Json, root: Json) -> Json:
    shape = _shape(schema, root)
    if isinstance(raw, dict) and "properties" in shape:
        return {
            name or _lowered(str(key)): value if name is None else _coerced(value, shape["properties"][name], root)
            for key, name, value in _members(raw, shape)
        }
    if isinstance(raw, list) and "items" in shape:
        return [_coerced(item, shape["items"], root) for item in raw]
    return _scalar(raw, shape.get("type"))


def _scalar(raw: Json, wanted: str | None) -> Json:
    """Text where text is wanted, a number or a truth where the text is one."""
    if wanted == "string" and isinstance(raw, bool | int | float):
        return text(raw)
    if wanted == "integer" and isinstance(raw, str) and raw.strip().isdecimal():
        return int(raw)
    if wanted == "boolean" and isinstance(raw, str):
        return TRUTH.get(raw.lower(), raw)
    return raw


def text(raw: str | float) -> str:
    """A scalar as CloudFormation writes it."""
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def _lowered(key: str) -> str:
    return key[:1].lower() + key[1:]
