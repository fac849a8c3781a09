"""accounts: App Mesh's owner ids, 12 digits each; an org has one or more, and its first is the one not spelled out."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from isthmus.errors import NotFound
from isthmus.store import tables


class Accounts:
    """The accounts of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def all(self) -> Sequence[tables.Account]:
        """All of them, by number."""
        row = tables.Account
        return self._session.scalars(select(row).where(row.org_id == self._org).order_by(row.id)).all()

    def get(self, account: str) -> tables.Account:
        """One of them; NotFound if it is not the org's."""
        row = self._session.get(tables.Account, (self._org, account))
        if row is None:
            raise NotFound(f"there is no account {account}")
        return row

    def default(self) -> tables.Account:
        """The one that is meant where none is said: the lowest number."""
        return self.all()[0]
