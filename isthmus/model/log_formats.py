"""log_formats: whether Envoy will take a format of access log lines, found out before Envoy is asked.

App Mesh's API took any text, and an Envoy refused the whole listener for one bad operator (appmesh.md §5). So the
format is read here as Envoy reads it: `%OPERATOR(ARGUMENT):LENGTH%`, where `%%` is a percent sign, and the argument
ends at the first bracket after which the operator can end.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from isthmus.errors import Violation
from isthmus.model.log_operators import OPERATORS, UNJUDGED, Brackets

_COMMAND = re.compile(r"%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%")
_LITERAL = re.compile(r"(?:[^%]|%%)+")
_LONGEST = 2**64 - 1
"""Envoy reads a length as 64 bits."""


class Command(NamedTuple):
    """One operator in a format; `text` is the whole of it. `argument` is empty if there is none."""

    operator: str
    argument: str
    length: bool
    text: str


class Stray(NamedTuple):
    """A percent sign (the how many-th character) with which nothing begins; what follows it cannot be read."""

    position: int


@lru_cache(maxsize=4096)
def pieces(text: str) -> tuple[str | Command | Stray, ...]:
    """A format in order: what is written as it stands (`%%` still doubled), operators, or the end of what is read."""
    found: list[str | Command | Stray] = []
    at = 0
    while at < len(text):
        literal = _LITERAL.match(text, at)
        if literal:
            found.append(literal[0])
            at = literal.end()
            continue
        command = _COMMAND.match(text, at)
        if command is None or int(command[3] or 0) > _LONGEST:
            return (*found, Stray(at))
        found.append(Command(command[1], command[2] or "", command[3] is not None, command[0]))
        at = command.end()
    return tuple(found)


def operators(text: str) -> frozenset[str]:
    """The names of all operators in a format."""
    return frozenset(piece.operator for piece in pieces(text) if isinstance(piece, Command))


def refusals(text: str) -> Iterator[str]:
    """Everything for which Envoy would refuse a format, or might."""
    for piece in pieces(text):
        why = _refusal(piece)
        if why is not None:
            yield why


def _refusal(piece: str | Command | Stray) -> str | None:
    if isinstance(piece, Stray):
        return f"character {piece.position + 1} is a % that begins no operator and no %% (a percent sign)"
    why = _wrong(piece) if isinstance(piece, Command) else None
    return f"{piece.text}: {why}" if isinstance(piece, Command) and why else None


def _wrong(command: Command) -> str | None:
    operator = OPERATORS.get(command.operator)
    if operator is None:
        unjudged = command.operator in UNJUDGED
        return "this operator's argument cannot be checked" if unjudged else "there is no such operator"
    if command.length and not operator.cut:
        return "this operator takes no length"
    if command.argument and operator.brackets is Brackets.NONE:
        return "this operator takes no argument"
    if not command.argument and operator.brackets is Brackets.REQUIRED:
        return "this operator needs an argument in brackets"
    return operator.refused(command.argument)


def invalid_log_format(text: str | None, pointer: str) -> Iterator[Violation]:
    """One violation, `invalid_log_format`, for each thing that is wrong."""
    for why in refusals(text or ""):
        yield Violation(pointer, "invalid_log_format", f"not a log format that Envoy takes: {why}")
