"""attaching: what a mesh attaches must be a cluster of the org. The model cannot know which there are, so it is asked here.

The clusters found are locked against being deleted until the transaction ends.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from isthmus.errors import Invalid, Violation
from isthmus.model.document import Key
from isthmus.store import tables


def must_be_clusters(session: Session, org: UUID, said: Iterable[tuple[str, Key]]) -> None:
    """Invalid for every attachment among (pointer, key) that names no cluster."""
    named = {pointer: key.name for pointer, key in said if key.kind == "Attachment"}
    if not named:
        return
    row = tables.Cluster
    mine = select(row.name).where(row.org_id == org, row.name.in_(named.values()))
    there = set(session.scalars(mine.order_by(row.name).with_for_update(read=True, key_share=True)))
    missing = [(pointer, name) for pointer, name in named.items() if name not in there]
    if missing:
        raise Invalid(
            Violation(f"{pointer}/name", "dangling_reference", f"cluster {name} does not exist")
            for pointer, name in missing
        )
