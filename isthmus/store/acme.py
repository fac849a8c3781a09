"""acme: an org's accounts at ACME authorities, and what such an authority is about to ask the org's gateways for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from isthmus.store import tables

_FRESH = timedelta(seconds=15)
"""A replica that has said nothing for so long serves no gateway that an authority could ask."""


def sealing_context(org: UUID, directory: str) -> str:
    """What an account's key is sealed for."""
    return f"acme-account/{org}/{directory}"


class AcmeAccounts:
    """The accounts of one org, by directory."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def find(self, directory: str) -> tables.AcmeAccount | None:
        """The one at this authority."""
        return self._session.get(tables.AcmeAccount, (self._org, directory))

    def add(self, directory: str, url: str, sealed_key: bytes) -> None:
        """Keep a new one. Who made one at the same time has won: that one's is used from then on."""
        self._session.add(tables.AcmeAccount(org_id=self._org, directory=directory, url=url, sealed_key=sealed_key))
        self._session.flush()


class Challenges:
    """What will be asked for, by certificate and domain."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def pose(self, certificate: UUID, answers: Mapping[str, tuple[str, str]]) -> None:
        """Those of a certificate's order, instead of any before: domain → (token, answer)."""
        self.drop(certificate)
        for domain, (token, answer) in sorted(answers.items()):
            row = tables.AcmeChallenge(
                org_id=self._org, certificate_id=certificate, domain=domain, token=token, answer=answer
            )
            self._session.add(row)
        self._session.flush()

    def drop(self, certificate: UUID) -> None:
        """Its order has ended."""
        row = tables.AcmeChallenge
        self._session.execute(delete(row).where(row.org_id == self._org, row.certificate_id == certificate))

    def all(self) -> Sequence[tables.AcmeChallenge]:
        """All of the org, in a stable order."""
        row = tables.AcmeChallenge
        mine = select(row).where(row.org_id == self._org)
        return self._session.scalars(mine.order_by(row.domain, row.token)).all()

    def since(self, certificate: UUID) -> datetime | None:
        """When the newest of a certificate was posed, in database time; None if there is none."""
        row = tables.AcmeChallenge
        mine = select(row.created_at).where(row.org_id == self._org, row.certificate_id == certificate)
        return self._session.scalars(mine.order_by(row.created_at.desc()).limit(1)).first()


def taken(session: Session, org: UUID, since: datetime) -> bool:
    """Whether every agent that is there has applied what was to be answered at `since`, and there is one at least.

    By what their heartbeats say: the lane's sequence is the database's time when it was read.
    """
    row = tables.Replica
    speaking = (row.org_id == org, row.evicted_at.is_(None), row.seen_at > func.now() - _FRESH)
    found = session.execute(select(row.features, row.applied).where(*speaking))
    held = [_sequence(each.applied) for each in found if "certificates" in each.features]
    return bool(held) and min(held) >= int(since.timestamp() * 1_000_000)


def _sequence(applied: list[Any]) -> int:
    """Up to when a replica has taken certificates; 0 for never."""
    return max((int(p.get("sequence", 0)) for p in applied if p.get("lane") == "CERTIFICATES"), default=0)
