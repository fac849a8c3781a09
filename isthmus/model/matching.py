"""matching: what a request must be like, for routes and gateway routes alike.

App Mesh has the shapes of header and metadata matches under five names, equal in every limit; we have them once.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from isthmus.errors import Violation
from isthmus.model.patterns import invalid_regex
from isthmus.model.structure import LONG_MAX, Maybe, Name, Structure, Union

Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]

_Long = Annotated[int, Field(ge=-LONG_MAX - 1, le=LONG_MAX)]
_HEADER = re.compile(r":?[0-9A-Za-z!#$%&'*+.^_`|~-]+")
"""A field name (RFC 9110 §5.6.2) or a pseudo-header; Envoy refuses some others and none can match."""


class MatchRange(Structure):
    """Whole numbers from `start` up to, but not including, `end`."""

    end: _Long
    start: _Long

    def violations(self) -> Iterator[Violation]:
        if self.end <= self.start:
            yield Violation("/end", "empty_range", f"must be greater than start ({self.start}), as end is not included")


class HeaderMatchMethod(Union):
    """How a header's or a metadata's value must be."""

    exact: Maybe[Name] = None
    prefix: Maybe[Name] = None
    range: Maybe[MatchRange] = None
    regex: Maybe[Name] = None
    suffix: Maybe[Name] = None

    def violations(self) -> Iterator[Violation]:
        return invalid_regex(self.regex, "/regex")


class HttpRouteHeader(Structure):
    """A header, or a gRPC metadata, that must be there or, inverted, must not."""

    invert: Maybe[bool] = None
    match: Maybe[HeaderMatchMethod] = None
    name: Annotated[str, Field(min_length=1, max_length=50)]

    def violations(self) -> Iterator[Violation]:
        if not _HEADER.fullmatch(self.name):
            yield Violation("/name", "not_a_header_name", f"no request can have a header named {self.name!r}")


class HttpPathMatch(Structure):
    """How the whole path must be."""

    exact: Maybe[Name] = None
    regex: Maybe[Name] = None

    def violations(self) -> Iterator[Violation]:
        yield from invalid_regex(self.regex, "/regex")
        if self.exact is not None and self.regex is not None:
            yield Violation("", "exactly_one_member", "must have exactly one of exact or regex")


class QueryParameterMatch(Structure):
    """How a query parameter's value must be."""

    exact: Maybe[str] = None


class HttpQueryParameter(Structure):
    """A query parameter that must be there."""

    match: Maybe[QueryParameterMatch] = None
    name: str

    def violations(self) -> Iterator[Violation]:
        if not 1 <= len(self.name.encode()) <= LONGEST_QUERY_NAME:
            code = "too_long" if self.name else "too_short"
            yield Violation("/name", code, f"must have 1 to {LONGEST_QUERY_NAME} bytes of UTF-8")


LONGEST_QUERY_NAME = 1024
"""Envoy's limit, in bytes (route_components.proto, QueryParameterMatcher.name)."""


def path_or_prefix(prefix: str | None, path: HttpPathMatch | None) -> Iterator[Violation]:
    """A match has a prefix or a path or neither (appmesh.md §2.6), and a prefix begins with a slash."""
    if prefix is not None and path is not None:
        yield Violation("/prefix", "mutually_exclusive", "prefix and path exclude each other")
    if prefix is not None and not prefix.startswith("/"):
        yield Violation("/prefix", "not_a_path", "must begin with /")


def named_service(service: str | None) -> Iterator[Violation]:
    """A gRPC service, where one is named."""
    if service == "":
        yield Violation("/serviceName", "too_short", "must not be empty")
