"""wire: a restJson1 request as an operation and its parameters (appmesh.md §2.4), strictly.

Paths are matched as they came over the wire, because a name may hold a slash. `null` in an object is what was not sent
(the protocol says so); any other member, query member or body that an operation does not have is refused, not ignored.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from isthmus.errors import Invalid, Violation
from isthmus.model.operations.table import OPERATIONS, Operation

_Shape = tuple[str, int, tuple[str, ...]]
"""Method, number of segments, and the literal ones among them: every other segment is a label, from the third on."""
_NUMBER = re.compile("[0-9]{1,18}")
"""Python refuses to read a number of thousands of digits, and whatever is as long as this is none of a list's."""


def _shape(method: str, path: str) -> _Shape:
    segments = path.split("/")[1:]
    return method, len(segments), (segments[0], *segments[1::2])


_OPERATIONS: Mapping[_Shape, Operation] = {_shape(o.method, o.path): o for o in OPERATIONS.values()}
assert len(_OPERATIONS) == len(OPERATIONS), "two operations look the same"


def operation_of(method: str, raw_path: str) -> Operation | None:
    """The operation that a method and raw path name."""
    return _OPERATIONS.get(_shape(method, raw_path))


def parameters(operation: Operation, raw_path: str, raw_query: str, body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What a request says, by the names of the operation's members; Invalid for what has no place there."""
    wrong: list[Violation] = []
    said = _labels(operation, raw_path, wrong) | _query(operation, raw_query, wrong)
    rest = _without_null(body)
    if not isinstance(rest, dict):
        raise Invalid.one("", "wrong_type", "the body must be a JSON object")
    elsewhere = set(_label_names(operation)) | set(operation.query)
    wrong += [_unknown(f"/{name}") for name in sorted(rest.keys() & elsewhere)]
    if wrong:
        raise Invalid(wrong)
    return said | rest


def _labels(operation: Operation, raw_path: str, wrong: list[Violation]) -> dict[str, Any]:
    raw = raw_path.split("/")[1:][2::2]
    said = {}
    for name, segment in zip(_label_names(operation), raw, strict=True):
        try:
            said[name] = unquote(segment, errors="strict")
        except UnicodeDecodeError:
            wrong.append(Violation(f"/{name}", "not_utf8", "must be percent-encoded UTF-8"))
    return said


def _label_names(operation: Operation) -> Iterator[str]:
    return (part[1:-1] for part in operation.path.split("/") if part.startswith("{"))


def _query(operation: Operation, raw: str, wrong: list[Violation]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        wrong.append(Violation("", "not_utf8", "the query must be percent-encoded UTF-8"))
        return said
    for name, value in pairs:
        if name not in operation.query:
            wrong.append(_unknown(f"/{name}"))
        elif name in said:
            wrong.append(Violation(f"/{name}", "duplicate", "is given twice"))
        else:
            said[name] = int(value) if name == "limit" and _NUMBER.fullmatch(value) else value
    return said


def _unknown(pointer: str) -> Violation:
    return Violation(pointer, "unknown_field", "there is no such field here")


def _without_null(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _without_null(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_null(inner) for inner in value]
    return value
