"""bodies: JSON requests, read whole or refused whole, before anything looks at their meaning.

Ours instead of FastAPI's because a mesh definition's violations are the model's to report, all at once and with JSON
pointers, and because a key given twice must not silently win.
"""

import json
from itertools import chain
from typing import Any

from fastapi import Request

from api.problems import Problem
from isthmus.errors import Invalid, Violation

MOST = 1024 * 1024
"""Bytes of a body (product.md §2.5)."""
DEEPEST = 64
"""Objects and lists in each other; App Mesh's deepest spec has 12. Far below where Python's recursion ends."""


async def read(request: Request) -> bytes:
    """The body; 413 as soon as it proves larger than `MOST`, whatever its headers say."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > MOST:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST:
            raise _too_large()
    return bytes(body)


async def read_json(request: Request, *, empty: Any = None) -> Any:  # noqa: ANN401 - JSON
    """The decoded body: 415 for another media type, 400 for what is not JSON, 422 for a key given twice.

    `empty` is what no body at all stands for, where that may be.
    """
    refuse_other_media(request)
    body = await read(request)
    return empty if not body and empty is not None else decoded(body)


def refuse_other_media(request: Request) -> None:
    """415 for what does not say that it is JSON, or says nothing."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"application/json", ""} and not kind.endswith("+json"):
        raise Problem("unsupported_media_type", f"send application/json, not {kind}")


def decoded(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """What a body says; 400 for what is not JSON, 422 for a key given twice or no text, or too much in each other."""
    twice: list[str] = []
    halves: list[str] = []

    def pairs(listed: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(listed)
        if len(found) < len(listed):
            names = [name for name, _ in listed]
            twice.extend(sorted({n for n in names if names.count(n) > 1}))
        halves.extend(name for name in found if not is_text(name))
        return found

    try:
        value = json.loads(body.decode(), object_pairs_hook=pairs, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise Problem("not_json", f"the body is not JSON: {e}") from e
    if twice:
        raise Invalid(
            Violation("", "duplicate_key", f"the key {name!r} is given twice in one object") for name in twice
        )
    if halves:  # before anybody repeats one: no answer can hold it
        raise Invalid(
            Violation("", "wrong_type", f"the key {name!r} must be a string of Unicode characters") for name in halves
        )
    _refuse_deep(value)
    return value


def is_text(said: str) -> bool:
    r"""Whether a string can be encoded: `"\ud800"`, half a surrogate pair, is legal JSON and no character."""
    try:
        said.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_deep(value: object) -> None:
    """Invalid for more than `DEEPEST` levels, counted level by level: a walk is what it guards against."""
    level = [value]
    for _ in range(DEEPEST):
        inner = [v.values() if isinstance(v, dict) else v for v in level if isinstance(v, (dict, list))]
        level = list(chain.from_iterable(inner))
        if not level:
            return
    raise Invalid.one("", "too_deep", f"has more than {DEEPEST} objects and lists in each other")


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _too_large() -> Problem:
    return Problem("body_too_large", f"a body has at most {MOST} bytes")
