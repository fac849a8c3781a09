"""revisions: what was said, when, by whom, and how live it is: proxy by proxy, in Envoy's own words where it refused.

Counts are of proxies connected now (design-notes 19); times are of the road the revision has come.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from api.openapi import says
from api.v1.context import Call, Calling, MeshRef, Paged
from isthmus.errors import NotFound
from isthmus.rollout.verdicts import Counts, Standing, Verdict
from isthmus.store import tables
from isthmus.store.deliveries import Deliveries
from isthmus.store.meshes import full_ref
from isthmus.store.revisions import Revisions
from isthmus.store.rollouts import Rollouts

router = APIRouter(tags=["revisions"])
TIMES = ("accepted", "compiled", "preflighted", "offered", "sent", "acked")


MESH = "/meshes/{mesh:segment}"
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="A revision's number.")]


@router.get(f"{MESH}/revisions", operation_id="listRevisions", openapi_extra=says("RevisionList"))
async def list_revisions(calling: Calling, mesh: MeshRef, page: Paged) -> dict[str, Any]:
    """A mesh's revisions, newest first."""

    def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
        row = calling.mesh(session, mesh)
        listed = Revisions(session, calling.org, row.id).revisions(int(after) if after else None, limit)
        return [(str(r.number), _brief(row, r)) for r in listed]

    return await page.of(rows)


@router.get(f"{MESH}/revisions/{{number}}", operation_id="getRevision", openapi_extra=says("Revision"))
async def get_revision(calling: Calling, mesh: MeshRef, number: Number) -> dict[str, Any]:
    """One revision with how live it is, per cluster and proxy."""
    return await calling.run(lambda session: _whole(session, calling, calling.mesh(session, mesh), number))


@router.get(f"{MESH}/rollouts/{{number}}", operation_id="getRollout", openapi_extra=says("Rollout"))
async def get_rollout(calling: Calling, mesh: MeshRef, number: Number) -> dict[str, Any]:
    """The road of one revision: phases, deliveries and every decision with its evidence."""
    return await calling.run(lambda session: _rollout(session, calling, calling.mesh(session, mesh), number))


def found(session: Session, calling: Call, mesh: tables.Mesh, number: int) -> tables.Revision:
    """A mesh's revision; NotFound."""
    row = Revisions(session, calling.org, mesh.id).revision(number)
    if row is None:
        raise NotFound(f"mesh {mesh.name} has no revision {number}")
    return row


def _brief(mesh: tables.Mesh, row: tables.Revision) -> dict[str, Any]:
    times = {name: getattr(row, f"{name}_at") for name in TIMES}
    return {
        "mesh": mesh.name,
        "ref": full_ref(mesh),
        "number": row.number,
        "author": row.author,
        "reason": row.reason,
        "status": row.status,
        "changed": [{"kind": kind, "key": key} for kind, key in row.changed],
        "failures": row.failures,
        "quarantined": [],
        "ineffective": row.notes,
        "times": {name: _text(at) for name, at in times.items()},
        "commit_to_last_ack_ms": _milliseconds(row.accepted_at, row.acked_at),
    }


def _whole(session: Session, calling: Call, mesh: tables.Mesh, number: int) -> dict[str, Any]:
    row = found(session, calling, mesh, number)
    deliveries = Deliveries(session, calling.org, mesh.id)
    last = {d.cluster_id: d for d in deliveries.of_revision(number)}
    standings = [(d, deliveries.standing(d)) for d in last.values()]
    clusters = [_cluster(d, s) for d, s in standings]
    counted = [s for _, s in standings]
    return _brief(mesh, row) | {
        "clusters": sorted(clusters, key=lambda c: str(c["cluster"])),
        "proxies": _proxies(counted),
        "stragglers": [{"cluster": s.cluster, "proxy": p} for s in counted for p in s.counts.stragglers],
        "nacks": [{"cluster": s.cluster} | dict(n) for s in counted for n in s.counts.nacks],
    }


def _cluster(delivery: tables.Delivery, standing: Standing) -> dict[str, Any]:
    counts: Counts = standing.counts
    return {
        "cluster": standing.cluster,
        "verdict": standing.verdict.value,
        "phase": delivery.phase,
        "version": delivery.version,
        "sequence": delivery.sequence,
        "connected": counts.connected,
        "acked": counts.acked,
        "views": {view: said["version"] for views in delivery.views.values() for view, said in sorted(views.items())},
        "offered_at": _text(delivery.offered_at),
        "sent_at": _text(delivery.sent_at),
        "acked_at": _text(delivery.acked_at),
    }


def _proxies(standings: Sequence[Standing]) -> dict[str, int]:
    """Sums over the clusters; deferred and unproven count clusters, as they have no proxies to count."""
    counts = [s.counts for s in standings]
    return {
        "connected": sum(c.connected for c in counts),
        "acked": sum(c.acked for c in counts),
        "nacked": sum(c.nacked for c in counts),
        "lost": sum(c.lost for c in counts),
        "deferred": sum(s.verdict is Verdict.DEFERRED for s in standings),
        "unproven": sum(s.verdict is Verdict.UNPROVEN for s in standings),
    }


def _rollout(session: Session, calling: Call, mesh: tables.Mesh, number: int) -> dict[str, Any]:
    found(session, calling, mesh, number)
    row = Rollouts(session, calling.org, mesh.id).get(number)
    if row is None:
        raise NotFound(f"revision {number} of mesh {mesh.name} was never rolled out by itself")
    deliveries = Deliveries(session, calling.org, mesh.id)
    return {
        "mesh": mesh.name,
        "ref": full_ref(mesh),
        "revision": number,
        "state": row.state,
        "phase": row.phase,
        "started_at": _text(row.started_at),
        "ended_at": _text(row.ended_at),
        "decisions": row.decisions,
        "deliveries": [_cluster(d, deliveries.standing(d)) for d in deliveries.of_revision(number)],
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _milliseconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else round((end - start).total_seconds() * 1000, 1)
