"""access keys: AWS-style pairs for the App Mesh interface. SigV4 is symmetric, so secrets are sealed and not hashed."""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import delete, select, text, tuple_, update
from sqlalchemy.orm import Session

from isthmus.errors import NotFound
from isthmus.store import tables
from isthmus.store.accounts import Accounts
from isthmus.store.database import become
from isthmus.values import Secret

_ID_LETTERS = string.ascii_uppercase + "234567"
_SECRET_LETTERS = string.ascii_letters + string.digits + "+/"
ID_LENGTH, SECRET_LENGTH = 16, 40
"""AWS's lengths: 80 bits name a key (after `AKIA`), 240 bits are its secret."""
_NONE = "there is no such access key"


class Sealer(Protocol):
    """Encrypts what only this installation may read. `context` is bound to it: under another it does not open."""

    def seal(self, secret: bytes, context: str) -> bytes: ...

    def open(self, sealed: bytes, context: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Made:
    """A new key: its secret is never shown again."""

    id: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose an active key is, with what its signatures are checked by."""

    org: UUID
    account: str
    secret: Secret


class AccessKeys:
    """The access keys of one org."""

    def __init__(self, session: Session, org: UUID, sealer: Sealer) -> None:
        self._session, self._org, self._sealer = session, org, sealer

    def create(self, account: str) -> Made:
        """A new key that acts for an account; NotFound if that is not the org's."""
        Accounts(self._session, self._org).get(account)
        made = Made(f"AKIA{_letters(_ID_LETTERS, ID_LENGTH)}", Secret(_letters(_SECRET_LETTERS, SECRET_LENGTH)))
        sealed = self._sealer.seal(made.secret.encode(), _context(self._org, made.id))
        row = tables.AccessKey(org_id=self._org, id=made.id, account_id=account, sealed_secret=sealed)
        self._session.add(row)
        self._session.flush()
        return made

    def get(self, key: str) -> tables.AccessKey:
        """One of them; NotFound if it is not the org's."""
        row = self._session.get(tables.AccessKey, (self._org, key))
        if row is None:
            raise NotFound(_NONE)
        return row

    def list(self, after: str | None, limit: int) -> Sequence[tables.AccessKey]:
        """Up to `limit` keys, inactive ones too, oldest first, after the one of that `place`."""
        row = tables.AccessKey
        order = (row.created_at, row.id)
        query = select(row).where(row.org_id == self._org)
        if after is not None:
            made, _, key = after.partition(" ")
            query = query.where(tuple_(*order) > (datetime.fromisoformat(made), key))
        return self._session.scalars(query.order_by(*order).limit(limit)).all()

    def activate(self, key: str) -> tables.AccessKey:
        """From the next request on it is accepted; NotFound if there is none."""
        return self._set(key, active=True)

    def deactivate(self, key: str) -> tables.AccessKey:
        """From the next request on it is refused, until it is activated; NotFound if there is none."""
        return self._set(key, active=False)

    def delete(self, key: str) -> None:
        """Gone with its secret, even if it is the last; NotFound if there is none. Its id never comes again."""
        row = tables.AccessKey
        gone = delete(row).where(row.org_id == self._org, row.id == key).returning(row.id)
        if self._session.scalars(gone).one_or_none() is None:
            raise NotFound(_NONE)

    def _set(self, key: str, *, active: bool) -> tables.AccessKey:
        row = tables.AccessKey
        changed = update(row).where(row.org_id == self._org, row.id == key).values(active=active).returning(row)
        found = self._session.scalars(changed).one_or_none()
        if found is None:
            raise NotFound(_NONE)
        return found


def place(row: tables.AccessKey) -> str:
    """Where a key stands in the list; it holds when the key itself is gone."""
    return f"{row.created_at.isoformat()} {row.id}"


def org_of(session: Session, key: str) -> UUID | None:
    """Whose key this is, for ever; None if it is unknown or inactive now. In a session without an org."""
    found: UUID | None = session.scalar(text("SELECT org_id FROM org_of_access_key(:key)"), {"key": key})
    return found


def signer(session: Session, org: UUID, key: str, sealer: Sealer) -> Signer | None:
    """What an org's key is checked by; None if it is inactive or gone. In a session of that org."""
    row = session.get(tables.AccessKey, (org, key))
    if row is None or not row.active:
        return None
    return Signer(org, row.account_id, Secret(sealer.open(row.sealed_secret, _context(org, key)).decode()))


def verify(session: Session, key: str, sealer: Sealer) -> Signer | None:
    """Both in one session without an org, which is the key's org's from then on."""
    org = org_of(session, key)
    if org is None:
        return None
    become(session, org)
    return signer(session, org, key, sealer)


def _letters(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _context(org: UUID, key: str) -> str:
    """A sealed secret moved to another row does not open."""
    return f"access-key/{org}/{key}"
