"""managed authorities: whom clients trust by ARN, and who signs an org's requested certificates.

One is made here with a key of its own, or brought along as roots without a key. It never changes: what clients trust
under a name must not become somebody else. A successor is another authority, trusted beside it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from isthmus.errors import InUse, NotFound
from isthmus.model.managed_arn import authority_arn
from isthmus.store import tables
from isthmus.store.accounts import Accounts
from isthmus.store.arns import called, users_of


@dataclass(frozen=True, slots=True)
class Made:
    """Roots (PEM), the first one's sealed key if it is ours, and when the first of them ends."""

    roots: bytes
    sealed_key: bytes | None
    not_after: datetime


def sealing_context(org: UUID, number: UUID) -> str:
    """What an authority's key is sealed for."""
    return f"certificate-authority/{org}/{number}"


class ManagedAuthorities:
    """The managed authorities of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def add(
        self, name: str, account: str | None, region: str, made: Made, number: UUID | None = None
    ) -> tables.CertificateAuthority:
        """Keep one; NotFound if the account is not the org's. `number`: what its key is sealed for."""
        accounts, number = Accounts(self._session, self._org), number or uuid4()
        owner = accounts.default() if account is None else accounts.get(account)
        row = tables.CertificateAuthority(
            org_id=self._org,
            id=number,
            account_id=owner.id,
            region=region,
            arn=authority_arn(region, owner.id, number),
            name=name,
            roots=made.roots,
            sealed_key=made.sealed_key,
            not_after=made.not_after,
        )
        self._session.add(row)
        self._session.flush()
        self._session.refresh(row)
        return row

    def get(self, ref: str) -> tables.CertificateAuthority:
        """The one of that ARN, or of the id at its end; NotFound."""
        row = tables.CertificateAuthority
        found = self._session.scalars(select(row).where(row.org_id == self._org, called(row, ref))).one_or_none()
        if found is None:
            raise NotFound(f"there is no managed authority {ref}")
        return found

    def by_id(self, number: UUID) -> tables.CertificateAuthority | None:
        """The one of that id."""
        return self._session.get(tables.CertificateAuthority, (self._org, number))

    def list(self, after: str | None, limit: int) -> Sequence[tables.CertificateAuthority]:
        """Up to `limit` by ARN, after that one."""
        row = tables.CertificateAuthority
        query = select(row).where(row.org_id == self._org)
        query = query if after is None else query.where(row.arn > after)
        return self._session.scalars(query.order_by(row.arn).limit(limit)).all()

    def of(self, arns: Collection[str]) -> Sequence[tables.CertificateAuthority]:
        """Those of the org that have one of these ARNs, in their order."""
        row = tables.CertificateAuthority
        return self._session.scalars(
            select(row).where(row.org_id == self._org, row.arn.in_(arns)).order_by(row.arn)
        ).all()

    def delete(self, ref: str) -> None:
        """Forget one with its key; NotFound, or InUse while a mesh trusts it or a certificate is renewed by it."""
        found, row = self.get(ref), tables.Certificate
        issued = select(row.arn).where(row.org_id == self._org, row.authority_id == found.id)
        users = [f"Certificate {each}" for each in self._session.scalars(issued)]
        users += users_of(self._session, self._org, found.arn)
        if users:
            raise InUse(f"managed authority {found.arn}", users)
        self._session.delete(found)
        self._session.flush()
