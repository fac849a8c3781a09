"""calls: App Mesh API calls as a script makes them, `{"operation", "params"}` with boto3's parameters, as changes.

Create and Update both put a document. Which of them it was is kept, because App Mesh answers them differently.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict

from isthmus.errors import Invalid
from isthmus.model.document import Document, Key, Spec, Tags, parse_spec
from isthmus.model.kinds import KINDS
from isthmus.model.reading import Findings, read, refuse_nul
from isthmus.model.structure import Items, Many, Structure

APP_MESH_KINDS = (
    "Mesh", "VirtualNode", "VirtualService", "VirtualRouter", "Route", "VirtualGateway", "GatewayRoute",
)  # fmt: skip
"""The kinds that App Mesh's operations are named for."""

Verb = Literal["create", "update", "delete"]
_VERBS: Mapping[str, Verb] = {"Create": "create", "Update": "update", "Delete": "delete"}
_OPERATION = re.compile(f"({'|'.join(_VERBS)})({'|'.join(APP_MESH_KINDS)})")


@dataclass(frozen=True)
class Call:
    """A change of one document of the mesh `mesh`, which for kind Mesh is the mesh itself."""

    verb: Verb
    mesh: str
    key: Key
    document: Document | None
    """What is put; None for a delete."""

    @property
    def op(self) -> Literal["put", "delete"]:
        """What it does to the mesh."""
        return "delete" if self.document is None else "put"


class _Line(Structure):
    model_config = ConfigDict(alias_generator=None)

    operation: str
    params: dict[str, Any]


class _Tag(Structure):
    """App Mesh's TagRef; the limits of both members are those of `Tags`."""

    key: str
    value: str


class _Tags(Structure):
    tags: Annotated[Many[_Tag], Items(0, 50)]


class _TagMap(Structure):
    tags: Tags


def change_of(call: Any, *, pointer: str = "") -> Call:  # noqa: ANN401 - decoded JSON
    """The change that a call asks for. Raises Invalid with every violation, pointers beginning with `pointer`."""
    line = read(_Line, call, pointer)
    matched = _OPERATION.fullmatch(line.operation)
    if not matched:
        detail = (
            f"{line.operation!r} changes no resource: must be Create, Update or Delete of {', '.join(APP_MESH_KINDS)}"
        )
        raise Invalid.one(f"{pointer}/operation", "not_one_of", detail)
    verb, kind = matched.groups()
    found = Findings()
    names = _names(kind, line.params, f"{pointer}/params", found)
    _known(verb, names, line.params, f"{pointer}/params", found)
    spec = _spec(verb, kind, line.params, f"{pointer}/params", found)
    tags = found.of(lambda: _tags(line.params, f"{pointer}/params"))
    found.refuse()
    refuse_nul({member: value for member, value in line.params.items() if member != "spec"}, f"{pointer}/params")
    said = [line.params[name] for name in names]
    key = Key(kind, said[-1], said[1] if KINDS[kind].parent else None)
    return Call(_VERBS[verb], said[0], key, None if spec is None else Document(key, spec, tags or {}))


def _parameter(kind: str) -> str:
    """VirtualNode → virtualNodeName."""
    return f"{kind[0].lower()}{kind[1:]}Name"


def _names(kind: str, params: dict[str, Any], pointer: str, found: Findings) -> list[str]:
    """The parameters that name the resource: mesh, parent, own; what is wrong with their values is found."""
    parent = KINDS[kind].parent
    kinds = ["Mesh"] if kind == "Mesh" else ["Mesh", *([parent] if parent else []), kind]
    for name in map(_parameter, kinds):
        value = params.get(name)
        if name not in params:
            found.add(f"{pointer}/{name}", "missing", "this field is required")
        elif not isinstance(value, str):
            found.add(f"{pointer}/{name}", "wrong_type", "must be a string")
        elif not 1 <= len(value) <= LONGEST_NAME:
            code = "too_long" if value else "too_short"
            found.add(f"{pointer}/{name}", code, f"must have 1 to {LONGEST_NAME} characters")
    return [_parameter(k) for k in kinds]


LONGEST_NAME = 255


def _known(verb: str, names: list[str], params: dict[str, Any], pointer: str, found: Findings) -> None:
    """`clientToken` (for safe retries) and `meshOwner` (for shared meshes) say nothing about the document."""
    beside = {"Create": ("spec", "tags", "clientToken", "meshOwner"), "Update": ("spec", "clientToken", "meshOwner")}
    known = {*names, *beside.get(verb, ("meshOwner",))}
    for name in sorted(params.keys() - known):
        found.add(f"{pointer}/{name}", "unknown_field", "there is no such field")


def _spec(verb: str, kind: str, params: dict[str, Any], pointer: str, found: Findings) -> Spec | None:
    if verb == "Delete":
        return None
    if kind == "Mesh":
        params = {"spec": {}} | params
    if "spec" not in params:
        found.add(f"{pointer}/spec", "missing", "this field is required")
        return None
    return found.of(lambda: parse_spec(kind, params["spec"], pointer=f"{pointer}/spec"))


def _tags(params: dict[str, Any], pointer: str) -> dict[str, str]:
    """`[{key, value}]` as a mapping."""
    if "tags" not in params:
        return {}
    pairs = read(_Tags, {"tags": params["tags"]}, pointer).tags
    repeated = list(_repeated([pair.key for pair in pairs]))
    if repeated:
        raise Invalid.one(f"{pointer}/tags/{repeated[0]}/key", "duplicate", "this key is in the list already")
    return read(_TagMap, {"tags": {pair.key: pair.value for pair in pairs}}, pointer).tags


def _repeated(keys: list[str]) -> Iterator[int]:
    return (i for i, key in enumerate(keys) if key in keys[:i])
