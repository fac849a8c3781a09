"""idempotency: the answer that a POST got, kept with its effect, so that a retry after a lost answer gets it again.

Nothing is kept of a request that failed: it had no effect, and may be tried again (product.md §2.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.errors import Conflict, Invalid
from isthmus.store import tables

LIFE = timedelta(days=7)
SWEPT = 20
"""Answers too old that are forgotten with each one kept: more than come in, so they do not pile up, and no burst."""


class InFlight(Conflict):
    """The first request with this key has not been answered yet."""

    code = "idempotency_key_in_flight"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class IdempotencyKeys:
    """The keys of one principal of an org."""

    def __init__(self, session: Session, org: UUID, principal: str) -> None:
        self._session, self._org, self._principal = session, org, principal

    def begin(self, key: str, request_sha256: bytes, *, wait: bool = False) -> Answer | None:
        """The answer to give again, or None if the request is to be carried out, in this transaction.

        While another transaction carries it out: InFlight or, for callers that cannot be told so, wait until it has
        ended. Invalid if the key was used for another request.
        """
        self._lock(key, wait=wait)  # before anything is read: READ COMMITTED then shows what the one before kept
        row = self._session.scalars(select(tables.IdempotencyKey).where(*self._mine(key), ~_old())).one_or_none()
        if row is None:
            return None
        if row.request_hash != request_sha256:
            detail = "this Idempotency-Key was used for another request"
            raise Invalid.one("/header/Idempotency-Key", "idempotency_key_reused", detail)
        return Answer(row.status, row.headers, row.body)

    def keep(self, key: str, request_sha256: bytes, answer: Answer) -> None:
        """Keep the answer for 7 days, in the transaction of the effect, after `begin`; forgets a few too old."""
        whose = {"org_id": self._org, "principal": self._principal, "key": key}
        said = {
            "request_hash": request_sha256,
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": answer.body,
            "created_at": func.clock_timestamp(),
        }
        kept = insert(tables.IdempotencyKey).values(whose | said).add_cte(self._swept(key))
        self._session.execute(kept.on_conflict_do_update(index_elements=list(whose), set_=said))  # of one too old

    def _lock(self, key: str, *, wait: bool) -> None:
        """One transaction at a time may work under a key."""
        name = func.hashtextextended(f"{self._org}/{self._principal}/{key}", 0)
        if wait:
            self._session.execute(select(func.pg_advisory_xact_lock(name)))
        elif not self._session.scalar(select(func.pg_try_advisory_xact_lock(name))):
            raise InFlight("the first request with this Idempotency-Key is still being carried out")

    def _swept(self, key: str) -> CTE:
        """Up to `SWEPT` other answers of the principal that are too old, but not those that others are forgetting.

        Without SKIP LOCKED one request would wait for another's whole transaction, just to tidy up; and a subquery
        that is no CTE may be run once a row, which makes its limit none.
        """
        row = tables.IdempotencyKey
        mine = (row.org_id == self._org, row.principal == self._principal, row.key != key)
        oldest = select(row.key).where(*mine, _old()).order_by(row.created_at).limit(SWEPT)
        few = oldest.with_for_update(skip_locked=True).cte("few")
        return delete(row).where(*mine, row.key.in_(select(few.c.key))).returning(row.key).cte("gone")

    def _mine(self, key: str) -> tuple[ColumnElement[bool], ...]:
        row = tables.IdempotencyKey
        return row.org_id == self._org, row.principal == self._principal, row.key == key


def _old() -> ColumnElement[bool]:
    return tables.IdempotencyKey.created_at < func.clock_timestamp() - LIFE
