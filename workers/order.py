"""order: placeholder, see below."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from isthmus.adapters.sealer import Sealer
from isthmus.store import tables


def go_on(session: Session, org: UUID, row: tables.Certificate, now: datetime, sealer: Sealer) -> None:
    """Later."""
