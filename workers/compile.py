"""compile: bring a mesh to its head: definition → one snapshot per cluster → a rollout.

It takes the newest head, so revisions in between are superseded without ever being compiled. One compile of a mesh at a
time (advisory lock, in one transaction): a crash leaves nothing behind, and the promise is sent again.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from isthmus.ir.mesh import Ineffective
from isthmus.ir.surroundings import ClusterFacts, Surroundings
from isthmus.model.definition import Definition
from isthmus.store import tables
from isthmus.store.attachments import clusters_of
from isthmus.store.authorities import Authorities
from isthmus.store.deliveries import Deliveries
from isthmus.store.revisions import Revisions
from isthmus.store.rollouts import Rollouts
from isthmus.store.snapshots import Snapshots
from isthmus.xds.compile import COMPILER, Compiled, compile_mesh
from isthmus.xds.snapshot import NOTHING, Snapshot

OVERTAKEN = ("accepted", "compiling", "preflight", "rolling_out")
"""Statuses that a newer revision supersedes."""


def bring_to_head(session: Session, org: UUID, mesh_id: UUID, base_domain: str, now: datetime) -> int | None:
    """Compile the head and begin its rollout. The revision, or None if it is the target already."""
    rollouts = Rollouts(session, org, mesh_id)
    rollouts.lock()
    mesh = session.get_one(tables.Mesh, (org, mesh_id), populate_existing=True)
    if mesh.head == mesh.target:
        return None
    revision, definition = mesh.head, Revisions(session, org, mesh_id).definition(mesh.head)
    attached = [] if mesh.deleted_at else list(clusters_of(session, org, mesh_id))
    around = _surroundings(session, mesh, attached, base_domain)
    plan, notes = {}, set[Ineffective]()
    for cluster_id, compiled in _compiled(session, mesh, definition, around):
        inputs = _inputs(session, org, cluster_id, revision)
        plan[str(cluster_id)] = _entry(session, mesh, cluster_id, compiled.snapshot, inputs)
        notes.update(compiled.ineffective)
    _supersede(session, mesh, revision, now)
    _note(session, mesh, revision, notes)
    mesh.target = revision
    mesh.compile_generation += 1
    rollouts.start(revision, {"clusters": plan})
    return revision


def _surroundings(session: Session, mesh: tables.Mesh, attached: list[tables.Cluster], base: str) -> Surroundings:
    authorities = Authorities(session, mesh.org_id)
    slug = session.scalars(select(tables.Org.slug).where(tables.Org.id == mesh.org_id)).one()
    facts = {
        c.name: ClusterFacts(c.id, c.name, c.region, c.network, authorities.active(c.id).trust_domain) for c in attached
    }
    return Surroundings(
        mesh_id=mesh.id,
        account=mesh.account_id,
        region=mesh.region,
        org_slug=slug,
        base_domain=base,
        clusters=facts,
    )


def _note(session: Session, mesh: tables.Mesh, revision: int, notes: Iterable[Ineffective]) -> None:
    """Keep what the definition says without effect, so that it can be told and is not silently ignored."""
    row = session.get_one(tables.Revision, (mesh.org_id, mesh.id, revision))
    listed = sorted(notes, key=lambda n: (n.key.kind, n.key.text, n.pointer))
    row.notes = [{"kind": n.key.kind, "key": n.key.text, "pointer": n.pointer, "reason": n.reason} for n in listed]


def _compiled(
    session: Session, mesh: tables.Mesh, definition: Definition, around: Surroundings
) -> Iterator[tuple[UUID, Compiled]]:
    """The new content of every attached cluster, and nothing for those that once had some and are attached no more."""
    for name, facts in sorted(around.clusters.items()):
        yield facts.id, compile_mesh(definition, around, name)
    attached = {facts.id for facts in around.clusters.values()}
    for cluster_id in Deliveries(session, mesh.org_id, mesh.id).clusters():
        if cluster_id not in attached:
            yield cluster_id, Compiled(Snapshot(NOTHING), ())


def _inputs(session: Session, org: UUID, cluster_id: UUID, revision: int) -> Mapping[str, Any]:
    """The generation of everything the content depends on (design §1)."""
    cluster = session.get_one(tables.Cluster, (org, cluster_id))
    return {
        "definition": revision,
        "trust": cluster.trust_generation,
        "topology": cluster.topology_generation,
        "documents": 0,
        "compiler": COMPILER,
    }


def _entry(
    session: Session, mesh: tables.Mesh, cluster_id: UUID, snapshot: Snapshot, inputs: Mapping[str, Any]
) -> Mapping[str, Any]:
    """One cluster's line of the plan: the snapshot to reach, and the delivery to go from and, if need be, back to."""
    before = Deliveries(session, mesh.org_id, mesh.id).newest(cluster_id)
    version = Snapshots(session, mesh.org_id, mesh.id).keep(cluster_id, snapshot, inputs)
    return {"after": version, "before": before.sequence if before else 0}


def _supersede(session: Session, mesh: tables.Mesh, revision: int, now: datetime) -> None:
    row = tables.Revision
    mine = (row.org_id == mesh.org_id, row.mesh_id == mesh.id)
    overtaken = (row.number < revision, row.status.in_(OVERTAKEN))
    session.execute(update(row).where(*mine, *overtaken).values(status="superseded"))
    session.execute(update(row).where(*mine, row.number == revision).values(status="rolling_out", compiled_at=now))
