"""certificates: the managed ones of an org: requested of an authority here, imported, or fetched by ACME.

The chain and key of a certificate stay while a new one is on its way, so a renewal that fails leaves what serves. Its
`generation` grows with every chain: that wakes the hubs. Its `revision` grows with what its owner changes: the ETag.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from isthmus.errors import InUse, Invalid, NotFound
from isthmus.model.managed_arn import certificate_arn
from isthmus.pki.foreign import Pair
from isthmus.pki.renewal import retry_after
from isthmus.store import tables
from isthmus.store.accounts import Accounts
from isthmus.store.arns import called, users_of
from isthmus.store.changes import Expected, must_match
from isthmus.store.promises import Promises

REQUESTED, IMPORTED, ACME = "requested", "imported", "acme"
PENDING, ISSUED, FAILED = "pending", "issued", "failed"
TASK = "certify"
LONGEST_REASON = 1000
"""Characters of what an authority says: it is another's text, kept and shown."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. `authority` signs it, or `directory` is the ACME authority's; `life` in seconds."""

    source: str
    domains: tuple[str, ...]
    region: str
    account: str | None = None
    authority: UUID | None = None
    directory: str | None = None
    life: int | None = None


def sealing_context(org: UUID, number: UUID) -> str:
    """What a certificate's key is sealed for: in another row it does not open."""
    return f"certificate/{org}/{number}"


class Certificates:
    """The certificates of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def want(self, wanted: Wanted, number: UUID | None = None) -> tables.Certificate:
        """A new one, pending, with the promise to see to it. NotFound if the account is not the org's."""
        accounts, number = Accounts(self._session, self._org), number or uuid4()
        owner = accounts.default() if wanted.account is None else accounts.get(wanted.account)
        row = tables.Certificate(
            org_id=self._org,
            id=number,
            account_id=owner.id,
            region=wanted.region,
            arn=certificate_arn(wanted.region, owner.id, number),
            source=wanted.source,
            domains=list(wanted.domains),
            authority_id=wanted.authority,
            directory=wanted.directory,
            life=wanted.life,
            state=PENDING,
        )
        self._session.add(row)
        self._session.flush()
        self._session.refresh(row)
        if wanted.source != IMPORTED:
            self.promise(row)
        return row

    def promise(self, row: tables.Certificate, due_at: datetime | None = None) -> None:
        """See to it at `due_at`, or at once; sooner if something sooner was promised."""
        arguments = {"certificate": str(row.id)}
        Promises(self._session, self._org).make(TASK, arguments, once=f"{TASK}:{row.id}", due_at=due_at)

    def get(self, ref: str) -> tables.Certificate:
        """The one of that ARN, or of the id at its end; NotFound."""
        row = tables.Certificate
        found = self._session.scalars(select(row).where(row.org_id == self._org, called(row, ref))).one_or_none()
        if found is None:
            raise NotFound(f"there is no managed certificate {ref}")
        return found

    def locked(self, number: UUID) -> tables.Certificate | None:
        """The one of that id, until the transaction ends nobody else's; None if it is gone."""
        key = (self._org, number)
        return self._session.get(tables.Certificate, key, with_for_update=True, populate_existing=True)

    def list(self, after: str | None, limit: int) -> Sequence[tables.Certificate]:
        """Up to `limit` by ARN, after that one."""
        row = tables.Certificate
        query = select(row).where(row.org_id == self._org)
        query = query if after is None else query.where(row.arn > after)
        return self._session.scalars(query.order_by(row.arn).limit(limit)).all()

    def issued(self, arns: Collection[str]) -> Sequence[tables.Certificate]:
        """Those of the org that have one of these ARNs and something to show, in the order of their ARNs."""
        row = tables.Certificate
        mine = (row.org_id == self._org, row.arn.in_(arns), row.chain.is_not(None))
        return self._session.scalars(select(row).where(*mine).order_by(row.arn)).all()

    def reimport(self, ref: str, pair: Pair, sealed_key: bytes, expected: Expected) -> tables.Certificate:
        """Another chain under the same ARN: clusters get it. Invalid for one that was not imported; StaleRevision."""
        found = self.get(ref)
        row = self.locked(found.id)
        assert row is not None, "it has just been found, and a delete waits for this lock"
        must_match(f"managed certificate {ref}", expected, row.revision)
        if row.source != IMPORTED:
            raise Invalid.one("", "not_imported", f"it is {row.source}, and renewed by itself")
        row.revision += 1
        self.show(row, pair, sealed_key)
        return row

    def show(self, row: tables.Certificate, pair: Pair, sealed_key: bytes) -> None:
        """Have this chain from now on."""
        row.domains = list(pair.domains)
        row.chain, row.sealed_key, row.serial = pair.chain, sealed_key, pair.serial
        row.not_before, row.not_after = pair.not_before, pair.not_after
        row.state, row.reason, row.failures = ISSUED, "", 0
        row.pending = row.pending_key = None
        row.generation += 1
        self._session.flush()

    def fail(self, row: tables.Certificate, reason: str, now: datetime) -> datetime:
        """It did not come: why, and when it is tried again. One that is shown stays so, with the reason beside it."""
        row.failures += 1
        row.state = FAILED if row.chain is None else ISSUED
        row.reason = reason[:LONGEST_REASON]
        row.pending = row.pending_key = None
        again = now + retry_after(row.failures)
        self.promise(row, again)
        return again

    def delete(self, ref: str, expected: Expected | None = None) -> None:
        """Forget one with its key; NotFound, StaleRevision, or InUse while a mesh names it."""
        found = self.get(ref)
        must_match(f"managed certificate {ref}", expected, found.revision)
        users = users_of(self._session, self._org, found.arn)
        if users:
            raise InUse(f"managed certificate {found.arn}", users)
        self._session.delete(found)
        self._session.flush()
