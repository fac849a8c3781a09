"""rollouts: a revision on its way, and the road it has come.

Written only by the one step of a mesh at a time (advisory lock), so decisions are recorded exactly once.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from isthmus.store import tables

RUNNING = "running"


class Rollouts:
    """The rollouts of one mesh."""

    def __init__(self, session: Session, org: UUID, mesh: UUID) -> None:
        self._session, self._org, self._mesh = session, org, mesh

    def lock(self) -> None:
        """Only one compile or step of this mesh at a time, until the transaction ends."""
        self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"mesh:{self._mesh}", 0))))

    def start(self, revision: int, plan: Mapping[str, Any]) -> None:
        """Begin bringing the clusters to `revision`; one that is still running gives way to it."""
        row = tables.Rollout
        mine = (row.org_id == self._org, row.mesh_id == self._mesh, row.state == RUNNING)
        self._session.execute(update(row).where(*mine).values(state="superseded", ended_at=func.clock_timestamp()))
        self._session.add(
            tables.Rollout(
                org_id=self._org,
                mesh_id=self._mesh,
                revision=revision,
                phase="",
                state=RUNNING,
                plan=dict(plan),
            )
        )
        self._session.flush()

    def newest(self) -> tables.Rollout | None:
        """The last one begun."""
        row = tables.Rollout
        mine = select(row).where(row.org_id == self._org, row.mesh_id == self._mesh)
        return self._session.scalars(mine.order_by(row.revision.desc()).limit(1)).first()

    def get(self, revision: int) -> tables.Rollout | None:
        """A revision's rollout."""
        return self._session.get(tables.Rollout, (self._org, self._mesh, revision))

    def decide(self, rollout: tables.Rollout, decision: str, evidence: Mapping[str, Any], now: datetime) -> None:
        """Note a decision and what it rests on. Waiting is not noted: it decides nothing."""
        entry = {"at": now.isoformat(), "phase": rollout.phase, "decision": decision, "evidence": dict(evidence)}
        rollout.decisions = [*rollout.decisions, entry]
        rollout.generation += 1
