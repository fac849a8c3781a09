"""timing: durations and timeouts, as App Mesh writes them."""

from collections.abc import Iterator
from typing import Literal

from isthmus.errors import Violation
from isthmus.model.structure import Maybe, NaturalLong, Structure

LONGEST_SECONDS = 9_223_372_036
"""Envoy holds a duration in nanoseconds of a signed 64-bit number and refuses what does not fit."""


class Duration(Structure):
    """A time; absent when neither member is given."""

    unit: Maybe[Literal["s", "ms"]] = None
    value: Maybe[NaturalLong] = None

    @property
    def milliseconds(self) -> int | None:
        """The time in milliseconds, None if `{}` was sent."""
        if self.value is None:
            return None
        return self.value * 1000 if self.unit == "s" else self.value

    def violations(self) -> Iterator[Violation]:
        if (self.unit is None) != (self.value is None):
            absent = "unit" if self.unit is None else "value"
            yield Violation(f"/{absent}", "missing", "a duration needs both a value and a unit")
        elif (self.milliseconds or 0) > LONGEST_SECONDS * 1000:
            yield Violation("/value", "out_of_range", f"must be at most {LONGEST_SECONDS} seconds")


class HttpTimeout(Structure):
    """Timeouts of http and http2."""

    idle: Maybe[Duration] = None
    per_request: Maybe[Duration] = None


class GrpcTimeout(Structure):
    """Timeouts of grpc."""

    idle: Maybe[Duration] = None
    per_request: Maybe[Duration] = None


class TcpTimeout(Structure):
    """The timeout of tcp."""

    idle: Maybe[Duration] = None
