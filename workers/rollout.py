"""rollout: carry out what `decide` says, phase by phase, until the revision is live or halted.

One step of a mesh at a time (the mesh's advisory lock), in one transaction: offers, decision and status change together
or not at all. A phase that changes nothing for any cluster is passed over.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from isthmus.rollout.decide import Advance, Done, Halt, Wait, decide
from isthmus.rollout.verdicts import Standing, Verdict
from isthmus.store import tables
from isthmus.store.deliveries import Deliveries
from isthmus.store.rollouts import RUNNING, Rollouts
from isthmus.store.snapshots import Snapshots
from isthmus.xds.overlap import differing, overlap
from isthmus.xds.snapshot import NOTHING, Manifest, Phase


class Step:
    """One mesh's newest rollout, ready to be moved on."""

    def __init__(self, session: Session, org: UUID, mesh: UUID, now: datetime) -> None:
        self._session, self._org, self._mesh, self._now = session, org, mesh, now
        self._rollouts = Rollouts(session, org, mesh)
        self._deliveries = Deliveries(session, org, mesh)
        self._snapshots = Snapshots(session, org, mesh)

    def take(self) -> None:
        """Do everything that can be done now."""
        self._rollouts.lock()
        rollout = self._rollouts.newest()
        if rollout is None:
            return
        revision = self._session.get_one(tables.Revision, (self._org, self._mesh, rollout.revision))
        while rollout.state == RUNNING and self._move(rollout, revision):
            pass
        if rollout.state == "done":
            self._settle(revision)

    def _move(self, rollout: tables.Rollout, revision: tables.Revision) -> bool:
        """Carry out one decision; whether another may follow at once."""
        standings = self._standings(rollout)
        decision = decide(Phase(rollout.phase), standings) if rollout.phase else Advance(Phase.EXPAND)
        match decision:
            case Wait():
                return False
            case Advance(phase):
                self._rollouts.decide(rollout, f"enter {phase}", _evidence(standings), self._now)
                self._enter(rollout, revision, phase)
            case Halt(reason):
                self._rollouts.decide(rollout, f"halt: {reason}", _evidence(standings), self._now)
                self._halt(rollout, revision, reason, standings)
            case Done(deferred):
                self._rollouts.decide(rollout, "done", _evidence(standings) | {"deferred": deferred}, self._now)
                rollout.state, rollout.ended_at = "done", self._now
        self._session.flush()
        return True

    def _standings(self, rollout: tables.Rollout) -> Sequence[Standing]:
        rows = [d for d in self._deliveries.of_revision(rollout.revision) if d.phase == rollout.phase]
        return [self._deliveries.standing(row) for row in rows]

    def _enter(self, rollout: tables.Rollout, revision: tables.Revision, phase: Phase) -> None:
        """Offer the phase to every cluster for which it changes something, or which owes an answer to the same."""
        rollout.phase, rollout.phase_at = phase, self._now
        owing = self._owing(rollout) if phase is Phase.EXPAND else ()
        for cluster, line in _lines(rollout):
            content = self._composed(phase, cluster, line)
            if content.version != self._deliveries.offered(cluster).version or cluster in owing:
                self._deliveries.offer(cluster, rollout.revision, phase, content)
                revision.offered_at = revision.offered_at or self._now

    def _owing(self, rollout: tables.Rollout) -> Collection[UUID]:
        """Clusters that were overtaken while they expanded, if callers are to move once they have.

        If not, nothing relies on their answer, and waiting for it would keep what is stuck from being taken back.
        """
        expanding = [cluster for cluster, _ in _lines(rollout) if self._owes(self._deliveries.newest(cluster))]
        moves = (self._composed(Phase.EXPAND, *at) != self._composed(Phase.SHIFT, *at) for at in _lines(rollout))
        return expanding if expanding and any(moves) else ()

    def _owes(self, newest: tables.Delivery | None) -> bool:
        """Whether a cluster has yet to answer to what it is to expand to."""
        if newest is None or newest.phase != Phase.EXPAND:
            return False
        return self._deliveries.standing(newest).verdict is Verdict.WAITING

    def _composed(self, phase: Phase, cluster: UUID, line: Mapping[str, Any]) -> Manifest:
        """What a cluster is offered; tables that are made for the way there are stored like any other content."""
        before, after = self._before(cluster, line["before"]), self._snapshots.manifest(cluster, line["after"])
        content = overlap(phase, before, after, self._snapshots.read(differing(before, after)))
        self._snapshots.add(content.tables)
        return content.manifest

    def _before(self, cluster: UUID, sequence: int) -> Manifest:
        row = self._session.get(tables.Delivery, (self._org, self._mesh, cluster, sequence)) if sequence else None
        return Manifest.parse(row.manifest) if row else NOTHING

    def _halt(
        self, rollout: tables.Rollout, revision: tables.Revision, reason: str, standings: Sequence[Standing]
    ) -> None:
        """Give every cluster back what it had before this revision: the same content, so the same version."""
        rollout.state, rollout.ended_at = "halted", self._now
        revision.status = "halted"
        refusals = [dict(n) | {"cluster": s.cluster} for s in standings for n in s.counts.nacks]
        revision.failures = [{"code": "nack_halt", "reason": reason, "nacks": refusals}]
        for cluster, line in _lines(rollout):
            before = self._before(cluster, line["before"])
            if before.version != self._deliveries.offered(cluster).version:
                self._deliveries.offer(cluster, rollout.revision, Phase.CONTRACT, before)

    def _settle(self, revision: tables.Revision) -> None:
        """Say how live a finished revision is; clusters that were deferred may have caught up since."""
        newest = [self._deliveries.newest(c) for c in self._deliveries.clusters()]
        verdicts = {self._deliveries.standing(row).verdict for row in newest if row is not None}
        settled = verdicts <= {Verdict.ACKED, Verdict.UNPROVEN}
        if revision.status == "live" or (not settled and revision.status == "partly_live"):
            return
        revision.status = "live" if settled else "partly_live"
        self._times(revision)
        if settled:
            mesh = self._session.get_one(tables.Mesh, (self._org, self._mesh))
            mesh.live = max(mesh.live, revision.number)

    def _times(self, revision: tables.Revision) -> None:
        """Set when it was sent and acked: by the last ACK of shift, or of whatever phase changed anything."""
        rows = self._deliveries.of_revision(revision.number)
        last = [r for r in rows if r.phase == Phase.SHIFT] or rows
        revision.sent_at = max((r.sent_at for r in last if r.sent_at), default=None)
        revision.acked_at = max((r.acked_at for r in last if r.acked_at), default=None)


def _lines(rollout: tables.Rollout) -> Sequence[tuple[UUID, Mapping[str, Any]]]:
    """Each cluster, and what is planned for it."""
    return [(UUID(text), line) for text, line in sorted(rollout.plan["clusters"].items())]


def _evidence(standings: Sequence[Standing]) -> dict[str, object]:
    """What a decision rests on, per cluster."""
    return {
        s.cluster: {"verdict": s.verdict.value, "connected": s.counts.connected, "acked": s.counts.acked}
        for s in standings
    }
