"""join tokens: how an agent replica proves itself, once, within 15 minutes of the token's making (design §7)."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.store import tables
from isthmus.store.token_text import digest, mint
from isthmus.values import Secret

LIFE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Made:
    """A new join token: its text is never seen again."""

    text: Secret
    expires_at: datetime


class JoinTokens:
    """The join tokens of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def create(self, cluster: UUID, *, life: timedelta = LIFE) -> Made:
        """A token for one replica of a cluster. Its time is the database's, which is asked when it is spent."""
        token, row = mint("join", secrets.choice), tables.JoinToken
        made = insert(row).values(
            org_id=self._org,
            id=uuid4(),
            cluster_id=cluster,
            hash=digest(token),
            expires_at=func.clock_timestamp() + life,
        )
        return Made(token, self._session.scalars(made.returning(row.expires_at)).one())


def redeem(session: Session, token_sha256: bytes) -> tuple[UUID, UUID] | None:
    """Spend a token: (org, cluster), or None if it is unknown, spent or expired. In a session without an org.

    Of any number of callers at the same time one succeeds, when its transaction commits.
    """
    query = text("SELECT org_id, cluster_id FROM redeem_join_token(:hash)")
    found = session.execute(query, {"hash": token_sha256}).one_or_none()
    return None if found is None else (found.org_id, found.cluster_id)
