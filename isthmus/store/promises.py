"""promises: work to be done, committed with its cause, kept whatever is killed meanwhile.

Short work is `process`ed: the promise ends in the transaction of its effect. Long work is `claim`ed under a lease, in a
transaction of its own, and `done` in the transaction of its effect: a worker that died leaves a lease that lapses, a
worker that was merely slow finds that it lost its claim, and its effect is rolled back.

`once` makes causes share a promise that nobody has claimed yet. That is safe only because a cause *locks* the promise
that it relies on (DO NOTHING would not): otherwise a worker could claim it and read the state as it was before the
cause commits, and the change would be lost. Either the cause commits first, and the claim waits and its work sees the
change; or the claim is first, and the cause waits and then makes a promise of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.store import tables

_PENDING = text("claimed_at IS NULL AND processed_at IS NULL")
"""The condition of the index `promises_once`."""


class ClaimLost(Exception):
    """The lease lapsed and somebody else has the promise, or has kept it: whatever was done must be rolled back."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A promise in hand: `generation` proves it when the work is done."""

    task: str
    arguments: Mapping[str, Any]
    generation: int


@dataclass(frozen=True, slots=True)
class Due:
    """A promise whose time has come, marked as sent."""

    org: UUID
    id: int
    task: str


class Promises:
    """The promises of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def make(
        self, task: str, arguments: Mapping[str, Any], *, once: str | None = None, due_at: datetime | None = None
    ) -> None:
        """Promise `task`, at `due_at` in database time or at once.

        Of unclaimed promises with the same `once` there is one, due at the earliest of their times; its work must read
        what is to be done when it runs. Until the transaction ends nobody can claim it.
        """
        row = tables.Promise
        statement = insert(row).values(
            org_id=self._org,
            task=task,
            arguments=dict(arguments),
            once=once,
            due_at=func.clock_timestamp() if due_at is None else due_at,
        )
        sooner = statement.excluded.due_at
        self._session.execute(
            statement.on_conflict_do_update(  # locks the row also where the condition is false
                index_elements=["org_id", "once"],
                index_where=_PENDING,
                set_={"due_at": sooner},
                where=row.due_at > sooner,
            )
        )

    def claim(self, promise: int, lease: float) -> Claimed | None:
        """Take a promise in hand for `lease` seconds; None if it is kept, or in hands whose lease runs.

        Commit this before the work begins: from then on new causes make new promises.
        """
        row = tables.Promise
        free = or_(row.lease_until.is_(None), row.lease_until <= func.clock_timestamp())
        taken = self._session.execute(
            update(row)
            .where(*self._unkept(promise), free)
            .values(claimed_at=func.clock_timestamp(), lease_until=_after(lease), generation=row.generation + 1)
            .returning(row.task, row.arguments, row.generation)
        ).one_or_none()
        return None if taken is None else Claimed(taken.task, taken.arguments, taken.generation)

    def renew(self, promise: int, generation: int, lease: float) -> None:
        """Hold it for `lease` seconds from now; ClaimLost if it is no longer ours."""
        self._change(promise, generation, lease_until=_after(lease))

    def done(self, promise: int, generation: int) -> None:
        """Kept. In the transaction of the effect, which must be rolled back on ClaimLost."""
        self._change(promise, generation, processed_at=func.clock_timestamp())

    def give_back(self, promise: int, generation: int, wait: float) -> None:
        """The work failed: let it be sent and claimed again after `wait` seconds. ClaimLost if it is no longer ours."""
        self._change(promise, generation, lease_until=_after(wait), sent_at=None)

    def process(self, promise: int) -> Mapping[str, Any] | None:
        """Keep a promise of short work: its arguments, or None if it is kept already.

        In the transaction of the effect: the row stays locked until that commits, and if it does not, nothing was kept.
        """
        row = tables.Promise
        kept = update(row).where(*self._unkept(promise)).values(processed_at=func.clock_timestamp())
        return self._session.scalars(kept.returning(row.arguments)).one_or_none()

    def _change(self, promise: int, generation: int, **values: object) -> None:
        row = tables.Promise
        ours = (*self._unkept(promise), row.generation == generation)
        if self._session.scalars(update(row).where(*ours).values(**values).returning(row.id)).one_or_none() is None:
            raise ClaimLost(f"promise {promise} is no longer held at generation {generation}")

    def _unkept(self, promise: int) -> tuple[ColumnElement[bool], ...]:
        row = tables.Promise
        return row.org_id == self._org, row.id == promise, row.processed_at.is_(None)


def due(session: Session, most: int) -> Sequence[Due]:
    """Up to `most` promises of all orgs to send now, in a session without an org.

    Their rows are locked until its transaction ends: commit when they are published, roll back if they could not be.
    """
    found = session.execute(text("SELECT org_id, id, task FROM due_promises(:most)"), {"most": most})
    return [Due(row.org_id, row.id, row.task) for row in found]


def next_due(session: Session) -> float | None:
    """Seconds until something will be due if nothing new comes, in database time; None if nothing is promised."""
    seconds = session.scalar(select(func.extract("epoch", func.next_due() - func.clock_timestamp())))
    return None if seconds is None else max(0.0, float(seconds))


def _after(seconds: float) -> ColumnElement[datetime]:
    return func.clock_timestamp() + timedelta(seconds=seconds)
