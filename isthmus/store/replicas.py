"""replicas: the agents of a cluster: who may speak, since when, and what they last said.

Epochs fence per replica: a process that begins its life gets the next epoch, and an older copy of the same replica (a
restored disk, a partitioned twin) is refused from then on.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.errors import Denied
from isthmus.store import tables
from isthmus.values import AgentId

LEASE = timedelta(seconds=15)
"""A cluster is live for so long after any replica's heartbeat; design-notes 15 says what follows when it lapses."""


class Replicas:
    """The replicas of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def enrol(self, agent: AgentId, key_hash: bytes, expires: datetime) -> None:
        """A replica proved itself, for the first time or anew with another key."""
        row = {
            "org_id": self._org,
            "cluster_id": agent.cluster,
            "name": agent.replica,
            "key_hash": key_hash,
            "certificate_expires": expires,
        }
        anew = {"key_hash": key_hash, "certificate_expires": expires, "evicted_at": None}
        statement = insert(tables.Replica).values(row)
        self._session.execute(
            statement.on_conflict_do_update(index_elements=["org_id", "cluster_id", "name"], set_=anew)
        )

    def known(self, agent: AgentId) -> tables.Replica:
        """The replica's row, locked; Denied if it is unknown or evicted."""
        row = self._session.get(tables.Replica, (self._org, agent.cluster, agent.replica), with_for_update=True)
        if row is None:
            raise Denied(f"replica {agent.replica} is not enrolled in this cluster")
        if row.evicted_at is not None:
            raise Denied(f"replica {agent.replica} was evicted")
        return row

    def admit(self, agent: AgentId, key_hash: bytes, epoch: int, said: dict[str, Any]) -> int:
        """Open a stream: the replica's epoch. Denied for another key or an epoch older than the newest.

        A life of the agent begins with 0 and gets the next epoch; it keeps it over reconnects, so an answer that was
        lost costs nothing. An epoch ahead of ours means that the database was restored: it is taken over.
        """
        row = self.known(agent)
        if row.key_hash != key_hash:
            raise Denied(f"replica {agent.replica} has enrolled anew with another key")
        if epoch and epoch < row.epoch:
            raise Denied(
                f"replica {agent.replica} is at epoch {row.epoch}; an older copy of it (epoch {epoch}) is fenced"
            )
        row.epoch = epoch or row.epoch + 1
        row.version, row.features, row.hub = said["version"], said["features"], said["hub"]
        return row.epoch

    def current(self, agent: AgentId, epoch: int) -> tables.Replica:
        """The replica's row if `epoch` is its newest; Denied (fenced) otherwise."""
        row = self.known(agent)
        if row.epoch != epoch:
            raise Denied(f"replica {agent.replica} is at epoch {row.epoch}; epoch {epoch} is fenced")
        return row

    def beat(self, row: tables.Replica, applied: list[Any], wardens: int, proxies: int) -> None:
        """Note a heartbeat and renew the cluster's lease, in database time."""
        row.applied, row.wardens, row.proxies = applied, wardens, proxies
        row.seen_at = self._session.scalar(select(func.clock_timestamp()))
        place = tables.Cluster
        mine = (place.org_id == self._org, place.id == row.cluster_id)
        until = func.clock_timestamp() + LEASE
        self._session.execute(update(place).where(*mine).values(lease_until=until, state="live"))

    def of_cluster(self, cluster: UUID) -> Sequence[tables.Replica]:
        """All replicas of a cluster, by name."""
        row = tables.Replica
        mine = select(row).where(row.org_id == self._org, row.cluster_id == cluster)
        return self._session.scalars(mine.order_by(row.name)).all()
