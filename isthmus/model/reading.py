"""reading: JSON that came from outside becomes a structure, or an Invalid that names every wrong field.

The codes are ours and stable; pydantic's own types may change with its versions, so they are translated in one table.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from isthmus.errors import Invalid, Violation

Shape = TypeVar("Shape", bound=BaseModel)
T = TypeVar("T")

CODES: Mapping[str, tuple[str, str]] = {
    "extra_forbidden": ("unknown_field", "there is no such field"),
    "invalid_key": ("unknown_field", "there is no such field"),
    "missing": ("missing", "this field is required"),
    "model_type": ("wrong_type", "must be an object"),
    "model_attributes_type": ("wrong_type", "must be an object"),
    "dict_type": ("wrong_type", "must be an object"),
    "tuple_type": ("wrong_type", "must be an array"),
    "string_type": ("wrong_type", "must be a string"),
    "string_unicode": ("wrong_type", "must be a string of Unicode characters"),
    "int_type": ("wrong_type", "must be a whole number"),
    "bool_type": ("wrong_type", "must be true or false"),
    "greater_than_equal": ("out_of_range", "must be at least {ge}"),
    "less_than_equal": ("out_of_range", "must be at most {le}"),
    "string_too_short": ("too_short", "must have at least {min_length} characters"),
    "string_too_long": ("too_long", "must have at most {max_length} characters"),
    "too_short": ("too_short", "must have at least {min_length} items"),
    "too_long": ("too_long", "must have at most {max_length} items"),
    "literal_error": ("not_one_of", "must be {expected}"),
    "string_pattern_mismatch": ("pattern_mismatch", "must match {pattern}"),
    "range_not_network": ("not_a_network", "{why}"),
    "range_not_free": ("reserved_network", "{why}"),
    "exactly_one_member": ("exactly_one_member", "must have exactly one of {names}"),
}
"""pydantic's error type → our code and what we say, with pydantic's context."""


def read(shape: type[Shape], raw: Any, pointer: str) -> Shape:  # noqa: ANN401 - decoded JSON
    """`raw` (decoded JSON) as a `shape`; Invalid with every violation, pointers beginning with `pointer`."""
    try:
        return shape.model_validate(raw)
    except ValidationError as error:
        raise Invalid(violations_of(error, pointer)) from None


class Findings:
    """Gathers the violations of several readings, so that one answer names them all."""

    def __init__(self) -> None:
        self.all: list[Violation] = []

    def of(self, reading: Callable[[], T]) -> T | None:
        """What `reading` gives; None if it is Invalid, and its violations are kept."""
        try:
            return reading()
        except Invalid as invalid:
            self.all += invalid.violations
            return None

    def add(self, pointer: str, code: str, detail: str) -> None:
        """One more violation."""
        self.all.append(Violation(pointer, code, detail))

    def refuse(self) -> None:
        """Invalid if there is any."""
        if self.all:
            raise Invalid(self.all)


def violations_of(error: ValidationError, pointer: str) -> Iterator[Violation]:
    """Pydantic's findings in our words."""
    for line in error.errors(include_url=False, include_input=False):
        code, detail = CODES[line["type"]]
        yield Violation(pointer + pointer_of(line["loc"]), code, detail.format(**line.get("ctx", {})))


def pointer_of(path: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901, which escapes `~` and `/`)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def refuse_unstorable(raw: Any, pointer: str) -> None:  # noqa: ANN401 - decoded JSON
    """Invalid for each string with U+0000 or half a surrogate pair: legal JSON, which PostgreSQL cannot hold."""
    said = json.dumps(raw)
    if "\\u0000" in said or "\\ud" in said:  # may also be an escaped backslash or a whole pair; the walk is exact
        wrong = [Violation(at, *why) for at, why in _unstorable(raw, pointer)]
        if wrong:
            raise Invalid(wrong)


def _unstorable(raw: Any, pointer: str) -> Iterator[tuple[str, tuple[str, str]]]:  # noqa: ANN401 - decoded JSON
    if isinstance(raw, str):
        if "\0" in raw:
            yield pointer, ("nul_character", "must not contain U+0000")
        if any("\ud800" <= character <= "\udfff" for character in raw):
            yield pointer, CODES["string_unicode"]
    elif isinstance(raw, dict):
        for key, value in raw.items():
            yield from _unstorable(key, pointer)
            yield from _unstorable(value, pointer + pointer_of((key,)))
    elif isinstance(raw, list):
        for i, value in enumerate(raw):
            yield from _unstorable(value, f"{pointer}/{i}")
