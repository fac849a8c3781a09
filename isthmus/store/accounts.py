"""accounts: App Mesh's owner ids, 12 digits each; an org has one or more, and its first is the one not spelled out.

Clients say an account and nothing else, so ids are unique everywhere, and who asks for a taken one is told just that.
The first is the lowest number; numbers that we choose are higher than an org's first, so that it stays the first.
"""

import secrets
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.errors import NameTaken, NotFound
from isthmus.store import tables

LOWEST, BEYOND = 10**11, 10**12
"""What we choose from: ids without a leading zero, which spreadsheets and YAML eat."""
TRIES = 8
"""Of 900 thousand million numbers, even a million that are taken are hardly ever met once."""


class Accounts:
    """The accounts of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def create(self, name: str, account: str | None = None) -> tables.Account:
        """A new account; of 12 digits chosen at random where none are given. NameTaken, which does not say by whom.

        One that is lower than the org's first becomes its first.
        """
        if account is None:
            return self._chosen(name)
        made = self._insert(name, account)
        if made is None:
            raise NameTaken(f"the account {account} is taken")
        return made

    def all(self) -> Sequence[tables.Account]:
        """All of them, by number."""
        return self._session.scalars(self._mine()).all()

    def list(self, after: str | None, limit: int) -> Sequence[tables.Account]:
        """Up to `limit` accounts by number, after that one."""
        query = self._mine() if after is None else self._mine().where(tables.Account.id > after)
        return self._session.scalars(query.limit(limit)).all()

    def get(self, account: str) -> tables.Account:
        """One of them; NotFound if it is not the org's."""
        row = self._session.get(tables.Account, (self._org, account))
        if row is None:
            raise NotFound(f"there is no account {account}")
        return row

    def default(self) -> tables.Account:
        """The one that is meant where none is said: the lowest number."""
        return self.list(None, 1)[0]

    def _chosen(self, name: str) -> tables.Account:
        above = max(int(self.default().id) + 1, LOWEST)
        for _ in range(TRIES if above < BEYOND else 0):
            made = self._insert(name, str(above + secrets.randbelow(BEYOND - above)))
            if made is not None:
                return made
        raise NameTaken("found no account number that is free: give one")

    def _insert(self, name: str, account: str) -> tables.Account | None:
        """The new row; None if any org has that number. A conflict with a row that we may not see is one as well."""
        row = tables.Account
        made = insert(row).values(org_id=self._org, id=account, name=name)
        return self._session.scalars(made.on_conflict_do_nothing().returning(row)).one_or_none()

    def _mine(self) -> Select[tables.Account]:
        row = tables.Account
        return select(row).where(row.org_id == self._org).order_by(row.id)
