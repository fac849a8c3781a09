"""dialects: the two ways to say ADS, as one thing to serve: what differs is the session and what it leaves behind."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from isthmus.xds import ads, sotw
from isthmus.xds.snapshot import Ref, Type
from isthmus.xds.subscription import Wanted


class Session(Protocol):
    """What `ads.Session` and `sotw.Session` have in common; requests and responses are each one's own."""

    @property
    def nacks(self) -> tuple[ads.Nack, ...]:
        """The refusals that stand."""
        ...

    def receive(self, request: Any) -> None:  # noqa: ANN401 - of its dialect, as all that follows
        """Take in a request."""
        ...

    def pending(self) -> list[Any]:
        """What to send now."""
        ...

    def update(self, resources: Mapping[tuple[Type, str], Wanted]) -> None:
        """What Envoy is to have from now on."""
        ...

    def proven(self, expected: Iterable[Ref]) -> bool:
        """Whether Envoy has accepted these."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """`open`: a session for these Envoy minors, with what an earlier one of the same proxy `left`, None if nothing."""

    method: str
    open: Callable[[Sequence[str], Any], Session]
    left: Callable[[Any], Any]


SOTW = Dialect("StreamAggregatedResources", sotw.Session, lambda session: session.held)
DELTA = Dialect("DeltaAggregatedResources", lambda minors, left: ads.Session(minors, left or ()), lambda s: s.doubts)
