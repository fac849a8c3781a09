"""decide: what a rollout does next, from where it stands.

All clusters move together here; waves and gates join as further arguments. A refusal halts, because Envoy rejects what
it cannot parse and the next phase would be rejected too. Silence only waits: an unreachable cluster says nothing about
the revision.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.rollout.verdicts import Standing, Verdict
from isthmus.xds.snapshot import Phase

ORDER = (Phase.EXPAND, Phase.SHIFT, Phase.CONTRACT)
"""The phases in the order that keeps every caller served (design §4)."""


@dataclass(frozen=True, slots=True)
class Advance:
    """Every cluster that counts has taken this phase: enter the next."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody has yet to answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Somebody refused: go no further, give back what was live before."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """All phases are through. `deferred` names the clusters that were away and will catch up."""

    deferred: tuple[str, ...] = ()


Decision = Advance | Wait | Halt | Done


def following(phase: Phase | None) -> Phase | None:
    """The phase after `phase`; the first for None, None after the last."""
    place = 0 if phase is None else ORDER.index(phase) + 1
    return ORDER[place] if place < len(ORDER) else None


def decide(phase: Phase, standings: Sequence[Standing]) -> Decision:
    """What to do now that the clusters stand so in `phase`."""
    by = {v: tuple(s.cluster for s in standings if s.verdict is v) for v in Verdict}
    if by[Verdict.NACKED]:
        return Halt(f"proxies in {', '.join(by[Verdict.NACKED])} refused the revision")
    if by[Verdict.LOST]:
        return Halt(f"proxies in {', '.join(by[Verdict.LOST])} were lost after they were offered the revision")
    if by[Verdict.WAITING]:
        return Wait(f"{', '.join(by[Verdict.WAITING])} have not answered")
    after = following(phase)
    return Done(by[Verdict.DEFERRED]) if after is None else Advance(after)
