"""intrinsic: CloudFormation's functions, worked out as far as a template and what the caller tells allow.

Each function is one entry of `FUNCTIONS`; what is not there, macros and dynamic references among it, only
CloudFormation can work out, and is told as unresolved: a value of our own making would look like the owner's.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from isthmus.imports.fitting import text
from isthmus.imports.said import Place
from isthmus.model.reading import Findings, pointer_of

NO_VALUE = object()
"""What `AWS::NoValue` is: the member that has it is left out."""
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")
_ONLY_CLOUDFORMATION = "{{resolve:"
TWO, THREE = 2, 3


class Unresolved(Exception):
    """What cannot be worked out from the files, as a sentence that says what to pass."""


class World(Protocol):
    """What functions look up: one template, its parameters, and the templates beside it."""

    def ref(self, name: str) -> Any: ...  # noqa: ANN401 - JSON

    def attribute(self, resource: str, name: str) -> Any: ...  # noqa: ANN401 - JSON

    def condition(self, name: str) -> bool: ...

    def mapped(self, name: str) -> Mapping[str, Any]: ...

    def imported(self, name: str) -> Any: ...  # noqa: ANN401 - JSON


def resolved(raw: Any, world: World, place: Place, found: Findings, pointer: str = "") -> Any:  # noqa: ANN401 - JSON
    """`raw` with every function worked out; each that cannot be is found, with its pointer."""
    try:
        raw = _chosen(raw, world)
        if _call(raw) or isinstance(raw, str):
            return value(raw, world)
    except Unresolved as unresolved:
        found.all.append(place.violation(pointer, "unresolved", str(unresolved)))
        return None
    if isinstance(raw, dict):
        made = {key: resolved(item, world, place, found, pointer + pointer_of((key,))) for key, item in raw.items()}
        return {key: item for key, item in made.items() if item is not NO_VALUE}
    if isinstance(raw, list):
        listed = [resolved(item, world, place, found, f"{pointer}/{i}") for i, item in enumerate(raw)]
        return [item for item in listed if item is not NO_VALUE]
    return raw


def value(raw: Any, world: World) -> Any:  # noqa: ANN401 - JSON
    """`raw` with every function worked out. Raises Unresolved at the first that cannot be."""
    call = _call(raw)
    if call is not None:
        name, argument = call
        if name not in FUNCTIONS:
            raise Unresolved(f"{name} is not worked out here")
        return FUNCTIONS[name](argument, world)
    if isinstance(raw, dict):
        made = {key: value(item, world) for key, item in raw.items()}
        return {key: item for key, item in made.items() if item is not NO_VALUE}
    if isinstance(raw, list):
        return [item for each in raw if (item := value(each, world)) is not NO_VALUE]
    if isinstance(raw, str) and _ONLY_CLOUDFORMATION in raw:
        raise Unresolved(f"the dynamic reference {raw} is resolved by CloudFormation alone")
    return raw


def truth(raw: Any, world: World) -> bool:  # noqa: ANN401 - JSON
    """A condition, named or written out."""
    if isinstance(raw, str):
        return world.condition(raw)
    match raw:
        case {"Condition": str(name)}:
            return world.condition(name)
        case {"Fn::Equals": [left, right]}:
            return _text(value(left, world)) == _text(value(right, world))
        case {"Fn::Not": [only]}:
            return not truth(only, world)
        case {"Fn::And": list(parts)}:
            return all(truth(part, world) for part in parts)
        case {"Fn::Or": list(parts)}:
            return any(truth(part, world) for part in parts)
    raise Unresolved(f"{raw!r} is no condition")


def _call(raw: Any) -> tuple[str, Any] | None:  # noqa: ANN401 - JSON
    """(function, argument) if `raw` is a call of one."""
    if not isinstance(raw, dict) or len(raw) != 1:
        return None
    name, argument = next(iter(raw.items()))
    return (name, argument) if name == "Ref" or str(name).startswith("Fn::") else None


def _chosen(raw: Any, world: World) -> Any:  # noqa: ANN401 - JSON
    """The branch of an `If`, not worked out, so that what is wrong in it is found at its own place."""
    while (call := _call(raw)) and call[0] == "Fn::If":
        condition, yes, no = _arguments("Fn::If", call[1], THREE)
        raw = yes if truth(condition, world) else no
    return raw


def _text(item: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(item, str | bool | int | float):
        return text(item)
    raise Unresolved(f"{item!r} is no text")


def _arguments(name: str, argument: Any, *counts: int) -> list[Any]:  # noqa: ANN401 - JSON
    if isinstance(argument, list) and len(argument) in counts:
        return argument
    raise Unresolved(f"{name} needs a list of {' or '.join(map(str, counts))}")


def _ref(argument: Any, world: World) -> Any:  # noqa: ANN401 - JSON
    return world.ref(_text(argument))


def _get_att(argument: Any, world: World) -> Any:  # noqa: ANN401 - JSON
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    resource, attribute = _arguments("Fn::GetAtt", parts, TWO)
    return world.attribute(_text(resource), _text(value(attribute, world)))


def _sub(argument: Any, world: World) -> str:  # noqa: ANN401 - JSON
    template, given = (argument, {}) if isinstance(argument, str) else _arguments("Fn::Sub", argument, TWO)
    variables = value(given, world)

    def put(matched: re.Match[str]) -> str:
        literal, name = matched[1], matched[2].strip()
        if literal:
            return f"${{{matched[2]}}}"
        if name in variables:
            return _text(variables[name])
        return _text(_get_att(name, world) if "." in name else world.ref(name))

    return str(value(_VARIABLE.sub(put, _text(template)), world))


def _join(argument: Any, world: World) -> str:  # noqa: ANN401 - JSON
    delimiter, parts = _arguments("Fn::Join", argument, TWO)
    return _text(delimiter).join(map(_text, _list("Fn::Join", value(parts, world))))


def _split(argument: Any, world: World) -> list[str]:  # noqa: ANN401 - JSON
    delimiter, source = _arguments("Fn::Split", argument, TWO)
    if not delimiter:
        raise Unresolved("Fn::Split needs a delimiter")
    return _text(value(source, world)).split(_text(delimiter))


def _select(argument: Any, world: World) -> Any:  # noqa: ANN401 - JSON
    index, items = _arguments("Fn::Select", argument, TWO)
    at, listed = _text(value(index, world)), _list("Fn::Select", value(items, world))
    if not at.isdecimal() or int(at) >= len(listed):
        raise Unresolved(f"Fn::Select: there is no item {at} in {len(listed)}")
    return listed[int(at)]


def _find_in_map(argument: Any, world: World) -> Any:  # noqa: ANN401 - JSON
    name, first, second, *rest = _arguments("Fn::FindInMap", argument, THREE, THREE + 1)
    keys = [_text(value(key, world)) for key in (name, first, second)]
    found: Any = world.mapped(keys[0])
    for key in keys[1:]:
        found = found.get(key) if isinstance(found, dict) else None
    if found is None and rest and isinstance(rest[0], dict):
        found = value(rest[0].get("DefaultValue"), world)
    if found is None:
        raise Unresolved(f"there is no {'/'.join(keys)} in Mappings")
    return found


def _import_value(argument: Any, world: World) -> Any:  # noqa: ANN401 - JSON
    return world.imported(_text(value(argument, world)))


def _if(argument: Any, world: World) -> Any:  # noqa: ANN401 - JSON
    return value(_chosen({"Fn::If": argument}, world), world)


def _list(name: str, raw: Any) -> list[Any]:  # noqa: ANN401 - JSON
    if isinstance(raw, list):
        return raw
    raise Unresolved(f"{name} needs a list")


FUNCTIONS: Mapping[str, Callable[[Any, World], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::FindInMap": _find_in_map,
    "Fn::ImportValue": _import_value,
    "Fn::If": _if,
}
