"""topology: what every cluster says it has, turned into what the others may send to. No compile in this path.

A summary counts only inside the placement (design-notes 3): a cluster that reports instances of a node that may not run
there is not believed, whoever signs for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.store import tables
from isthmus.store.attachments import clusters_of, placements_of

SLOT_CAP = 50
"""Slots of a node that a cluster announces singly; beyond it others use the `any` address."""


class Topology:
    """The summaries of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def summarise(self, cluster: UUID, mesh: UUID, generation: int, content: Mapping[str, Any]) -> bool:
        """Keep a cluster's newest summary of a mesh; whether it says anything new."""
        row = {
            "org_id": self._org,
            "mesh_id": mesh,
            "cluster_id": cluster,
            "generation": generation,
            "content": dict(content),
        }
        statement = insert(tables.Summary).values(row)
        newer = statement.on_conflict_do_update(
            index_elements=["org_id", "mesh_id", "cluster_id"],
            set_={
                "generation": statement.excluded.generation,
                "content": statement.excluded.content,
                "updated_at": func.clock_timestamp(),
            },
            where=tables.Summary.content != statement.excluded.content,
        )
        changed = self._session.execute(newer.returning(tables.Summary.mesh_id)).first() is not None
        if changed:
            place = tables.Cluster
            mine = (place.org_id == self._org, place.id == cluster)
            self._session.execute(update(place).where(*mine).values(topology_generation=place.topology_generation + 1))
        return changed

    def imports(self, cluster: UUID, mesh: UUID) -> Sequence[Mapping[str, Any]]:
        """The other attached clusters of a mesh with what they export, inside their placements, by cluster name."""
        placed = placements_of(self._session, self._org, mesh)
        said = {s.cluster_id: s.content for s in self._summaries(mesh)}
        return [
            {
                "cluster": peer.name,
                "region": peer.region,
                "network": peer.network,
                "state": peer.state,
                "gateways": said.get(peer.id, {}).get("gateways", []),
                "nodes": [n for n in said.get(peer.id, {}).get("nodes", []) if _may_run(placed, n["node"], peer.name)],
            }
            for peer in clusters_of(self._session, self._org, mesh)
            if peer.id != cluster
        ]

    def said(self, mesh: UUID) -> Mapping[str, Mapping[str, Any]]:
        """What each attached cluster says it has of a mesh, by name; one that has said nothing yet is not there."""
        said = {s.cluster_id: s.content for s in self._summaries(mesh)}
        return {c.name: said[c.id] for c in clusters_of(self._session, self._org, mesh) if c.id in said}

    def _summaries(self, mesh: UUID) -> Sequence[tables.Summary]:
        row = tables.Summary
        return self._session.scalars(select(row).where(row.org_id == self._org, row.mesh_id == mesh)).all()


def _may_run(placed: Mapping[str, frozenset[str]], node: str, cluster: str) -> bool:
    return node not in placed or cluster in placed[node]
