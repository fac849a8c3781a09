"""verdicts: what one cluster's answer to one delivery amounts to.

The counting rules are design-notes 19: the denominator is the proxies connected when it is evaluated; a cluster
without proxies proves nothing and holds nothing up; one that was not live when it was offered is deferred by name and
catches up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Verdict(Enum):
    """How a cluster stands towards the version it was offered."""

    ACKED = "acked"
    UNPROVEN = "unproven"
    WAITING = "waiting"
    LOST = "lost"
    NACKED = "nacked"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True)
class Counts:
    """Proxies of one delivery over all views and agent replicas; the odd ones by name. `last_ack`: epoch seconds."""

    connected: int = 0
    acked: int = 0
    lost: int = 0
    stragglers: tuple[str, ...] = ()
    nacks: tuple[Mapping[str, Any], ...] = ()
    last_ack: float = 0.0

    @property
    def nacked(self) -> int:
        """Proxies with at least one refusal that stands."""
        return len({n["proxy"] for n in self.nacks})


@dataclass(frozen=True, slots=True)
class Standing:
    """One cluster in a phase: `applied` says that an agent there has taken the offer, `expected` that it was live."""

    cluster: str
    applied: bool
    expected: bool
    counts: Counts = field(default_factory=Counts)

    @property
    def verdict(self) -> Verdict:
        """A refusal outweighs everything; silence is judged only of clusters that were live when the phase began."""
        counts = self.counts
        if counts.nacks:
            return Verdict.NACKED
        if not self.applied:
            return Verdict.WAITING if self.expected else Verdict.DEFERRED
        if counts.lost:
            return Verdict.LOST
        if counts.acked < counts.connected:
            return Verdict.WAITING
        return Verdict.ACKED if counts.connected else Verdict.UNPROVEN


def total(views: Iterable[Mapping[str, Any]]) -> Counts:
    """The sum of what replicas report per view, as `deliveries.views` keeps it."""
    listed = list(views)
    return Counts(
        connected=sum(v["connected"] for v in listed),
        acked=sum(v["acked"] for v in listed),
        lost=sum(v["lost"] for v in listed),
        stragglers=tuple(sorted(s for v in listed for s in v["stragglers"])),
        nacks=tuple(n for v in listed for n in v["nacks"]),
        last_ack=max((v["last_ack"] for v in listed), default=0.0),
    )
