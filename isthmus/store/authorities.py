"""authorities: every cluster's roots and how far each has come: prepared → active → old → (tainted) → revoked."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from isthmus.store import tables

TRUSTED = ("prepared", "active", "old")
"""States whose roots belong in bundles."""


def sealing_context(trust_domain: str) -> str:
    """What a root's key is sealed for: a sealed key copied to another authority's row does not open."""
    return f"authority/{trust_domain}"


class Authorities:
    """The roots of one org's clusters."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def add(
        self, cluster: UUID, trust_domain: str, certificate: bytes, sealed_key: bytes, not_after: datetime
    ) -> tables.Authority:
        """The cluster's first or next root (DER), active if it is the first, else prepared."""
        number = len(self.of_cluster(cluster)) + 1
        row = tables.Authority(
            org_id=self._org,
            cluster_id=cluster,
            number=number,
            trust_domain=trust_domain,
            state="active" if number == 1 else "prepared",
            signer="local",
            sealed_key=sealed_key,
            certificate=certificate,
            not_after=not_after,
        )
        self._session.add(row)
        self._session.flush()
        return row

    def of_cluster(self, cluster: UUID) -> Sequence[tables.Authority]:
        """All roots the cluster ever had, oldest first."""
        row = tables.Authority
        mine = select(row).where(row.org_id == self._org, row.cluster_id == cluster)
        return self._session.scalars(mine.order_by(row.number)).all()

    def active(self, cluster: UUID) -> tables.Authority:
        """The root that signs now; LookupError if the cluster has none, which is our bug."""
        for row in self.of_cluster(cluster):
            if row.state == "active":
                return row
        raise LookupError(f"cluster {cluster} has no active authority")

    def trusted(self, clusters: Sequence[UUID]) -> Sequence[tables.Authority]:
        """The roots that bundles of these clusters hold, in a stable order."""
        row = tables.Authority
        mine = select(row).where(row.org_id == self._org, row.cluster_id.in_(clusters), row.state.in_(TRUSTED))
        return self._session.scalars(mine.order_by(row.trust_domain, row.number)).all()
