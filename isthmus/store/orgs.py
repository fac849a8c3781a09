"""orgs: who pays. An installation of one's own has one org, made by `up`, which may be made any number of times."""

from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.errors import NameTaken, NotFound
from isthmus.store import tables
from isthmus.store.database import Database
from isthmus.values import dns_label

_ORGS = UUID("b1f3c9f4-6a0e-4c55-9f0c-9b7f1d1c2a77")
"""The namespace of the ids of bootstrapped orgs."""


def bootstrap(database: Database, slug: str, name: str, account: str) -> UUID:
    """Make an org with one account (12 digits) if they are not there; its id.

    The id follows from the slug: nobody may look for an org before knowing its id, and no function does it for us.
    """
    org = id_of(slug)
    with database.tenant(org) as session:
        session.execute(insert(tables.Org).values(id=org, slug=slug, name=name).on_conflict_do_nothing())
        if session.get(tables.Org, org) is None:
            raise NameTaken(f"the slug {slug} is another org's")
        row = {"org_id": org, "id": account, "name": name}
        session.execute(insert(tables.Account).values(row).on_conflict_do_nothing())
        if session.get(tables.Account, (org, account)) is None:
            raise NameTaken(f"the account {account} is another org's")
    return org


def id_of(slug: str) -> UUID:
    """The id of a bootstrapped org."""
    return uuid5(_ORGS, dns_label(slug, "/slug", "an org's slug"))


def find(session: Session, org: UUID) -> tables.Org:
    """The org that the session is bound to; NotFound if it is gone."""
    row = session.scalars(select(tables.Org).where(tables.Org.id == org)).one_or_none()
    if row is None:
        raise NotFound("there is no such org")
    return row
