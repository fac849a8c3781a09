"""retrying: when and how often a route tries again."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from isthmus.errors import Violation
from isthmus.model.structure import Items, Many, Maybe, NaturalLong, Structure
from isthmus.model.timing import Duration

HTTP_EVENTS = ("server-error", "gateway-error", "client-error", "stream-error")
"""The documented values; App Mesh's model leaves them free (appmesh.md §2.6), and another would never do anything."""

_HttpEvents = Annotated[Many[Annotated[str, Field(min_length=1, max_length=25)]], Items(1, 25)]
_TcpEvents = Annotated[Many[Literal["connection-error"]], Items(1, 1)]
_GrpcEvents = Annotated[
    Many[Literal["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"]],
    Items(1, 5),
]


class HttpRetryPolicy(Structure):
    """Retries of http and http2."""

    http_retry_events: Maybe[_HttpEvents] = None
    max_retries: NaturalLong
    per_retry_timeout: Duration
    tcp_retry_events: Maybe[_TcpEvents] = None

    def violations(self) -> Iterator[Violation]:
        yield from unknown_events(self.http_retry_events)
        if not (self.http_retry_events or self.tcp_retry_events):
            yield Violation("", "missing", "must name at least one retry event")


class GrpcRetryPolicy(Structure):
    """Retries of grpc."""

    grpc_retry_events: Maybe[_GrpcEvents] = None
    http_retry_events: Maybe[_HttpEvents] = None
    max_retries: NaturalLong
    per_retry_timeout: Duration
    tcp_retry_events: Maybe[_TcpEvents] = None

    def violations(self) -> Iterator[Violation]:
        yield from unknown_events(self.http_retry_events)
        if not (self.grpc_retry_events or self.http_retry_events or self.tcp_retry_events):
            yield Violation("", "missing", "must name at least one retry event")


def unknown_events(events: tuple[str, ...] | None) -> Iterator[Violation]:
    """HTTP retry events that mean nothing."""
    for i, event in enumerate(events or ()):
        if event not in HTTP_EVENTS:
            yield Violation(f"/httpRetryEvents/{i}", "not_one_of", f"must be one of {', '.join(HTTP_EVENTS)}")
