"""tokens: who signs in to the API with a bearer token; kept as a hash, shown once."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from isthmus.errors import NotFound
from isthmus.store import tables
from isthmus.store.database import become
from isthmus.store.token_text import PREFIX, digest, genuine, mint
from isthmus.values import Secret


@dataclass(frozen=True, slots=True)
class Made:
    """A new token: its text is never seen again."""

    id: UUID
    text: Secret


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose a valid token is; `name` is what histories show."""

    org: UUID
    id: UUID
    name: str


class Tokens:
    """The tokens of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def create(self, name: str, *, kind: Literal["pat", "svc"] = "pat", expires_at: datetime | None = None) -> Made:
        """A new token, for a person (`pat`) or a service (`svc`)."""
        made = Made(uuid4(), mint(kind, secrets.choice))
        self._session.add(
            tables.Token(
                org_id=self._org,
                id=made.id,
                hash=digest(made.text),
                prefix=made.text[:PREFIX],
                name=name,
                expires_at=expires_at,
            )
        )
        self._session.flush()
        return made

    def list(self) -> Sequence[tables.Token]:
        """All of them, revoked and expired ones too, oldest first."""
        row = tables.Token
        mine = select(row).where(row.org_id == self._org)
        return self._session.scalars(mine.order_by(row.created_at, row.id)).all()

    def revoke(self, token: UUID) -> None:
        """From the next request on it is refused; NotFound if there is none. A second time changes nothing."""
        row = tables.Token
        since = func.coalesce(row.revoked_at, func.clock_timestamp())
        mine = update(row).where(row.org_id == self._org, row.id == token)
        if self._session.scalars(mine.values(revoked_at=since).returning(row.id)).one_or_none() is None:
            raise NotFound("there is no such token")


def verify(session: Session, given: str) -> Bearer | None:
    """Whose token this is; None if it is forged, unknown, expired or revoked. In a session without an org."""
    if not genuine(given):
        return None
    query = text("SELECT org_id, token_id FROM org_of_token(:hash)")
    found = session.execute(query, {"hash": digest(given)}).one_or_none()
    if found is None:
        return None
    become(session, found.org_id)
    token = session.get_one(tables.Token, (found.org_id, found.token_id))
    return Bearer(token.org_id, token.id, token.name)
