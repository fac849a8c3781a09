"""compile: bring a mesh to its head: definition → one snapshot per cluster → a rollout.

It takes the newest head, so revisions in between are superseded without ever being compiled. One compile of a mesh at a
time (advisory lock, in one transaction): a crash leaves nothing behind, and the promise is sent again. Compilers are
kept warm (`workers.warm`): only what was changed since their revision is read and compiled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from isthmus.ir.mesh import Ineffective
from isthmus.ir.surroundings import ClusterFacts, Surroundings
from isthmus.store import tables
from isthmus.store.attachments import clusters_of
from isthmus.store.authorities import Authorities
from isthmus.store.deliveries import Deliveries
from isthmus.store.revisions import Revisions
from isthmus.store.rollouts import Rollouts
from isthmus.store.snapshots import Snapshots
from isthmus.xds.compile import COMPILER, Compiler, Ground
from isthmus.xds.content import Changed
from isthmus.xds.snapshot import NOTHING
from workers.warm import Kept, Warm

OVERTAKEN = ("accepted", "compiling", "preflight", "rolling_out")
"""Statuses that a newer revision supersedes."""

GROUND = ("Mesh", "Attachment")
"""Kinds that everything of a mesh depends on (`Ground`); settings are told as the mesh's."""


NOWHERE = ("",)
"""Where a mesh is compiled that no cluster takes part in: for what it says without effect."""


def bring_to_head(
    session: Session, org: UUID, mesh_id: UUID, base_domain: str, now: datetime, warm: Warm
) -> int | None:
    """Compile the head and begin its rollout. The revision, or None if it is the target already."""
    rollouts = Rollouts(session, org, mesh_id)
    rollouts.lock()
    mesh = session.get_one(tables.Mesh, (org, mesh_id), populate_existing=True)
    if mesh.head == mesh.target:
        return None
    revision = mesh.head
    attached = [] if mesh.deleted_at else list(clusters_of(session, org, mesh_id))
    kept, changes = _compiled(session, mesh, _surroundings(session, mesh, attached, base_domain), warm)
    plan = {}
    for name, facts in sorted(kept.ground.around.clusters.items()):
        version = _keep(session, mesh, facts.id, kept.compilers[name], changes[name])
        plan[str(facts.id)] = _entry(session, mesh, facts.id, version)
    for cluster_id in set(Deliveries(session, org, mesh_id).clusters()) - {c.id for c in attached}:
        version = _keep(session, mesh, cluster_id, None, None)
        plan[str(cluster_id)] = _entry(session, mesh, cluster_id, version)
    _supersede(session, mesh, revision, now)
    _note(session, mesh, revision, {note for c in kept.compilers.values() for note in c.ineffective})
    mesh.target = revision
    mesh.compile_generation += 1
    rollouts.start(revision, {"clusters": plan})
    event.listen(session, "after_commit", lambda _: warm.keep(mesh_id, kept), once=True)
    return revision


def _compiled(
    session: Session, mesh: tables.Mesh, around: Surroundings, warm: Warm
) -> tuple[Kept, Mapping[str, Changed]]:
    """The mesh's compilers at its head, and what each has that it had not before: all of it, for new ones."""
    revisions = Revisions(session, mesh.org_id, mesh.id)
    kept = warm.take(mesh.id)
    edit = revisions.edit(kept.revision, mesh.head) if kept is not None and kept.ground.around == around else None
    if kept is None or edit is None or any(key.kind in GROUND for key in edit):
        if kept is not None:
            kept.close()
        definition = revisions.definition(mesh.head)
        ground = Ground.of(definition, around)
        edit = definition.documents
        vips = revisions.vips.all(mesh.head)
        kept = Kept(mesh.head, ground, {name: Compiler(ground, name) for name in around.clusters or NOWHERE})
    else:
        kept = replace(kept, revision=mesh.head)
        vips = revisions.vips.of({key.name for key in edit if key.kind == "VirtualService"}, mesh.head)
    return kept, {name: compiler.change(edit, vips) for name, compiler in kept.compilers.items()}


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


def _keep(
    session: Session, mesh: tables.Mesh, cluster_id: UUID, compiler: Compiler | None, changed: Changed | None
) -> str:
    """Store a cluster's content, nothing for one that is attached no more; its version."""
    snapshots, inputs = Snapshots(session, mesh.org_id, mesh.id), _inputs(session, mesh.org_id, cluster_id, mesh.head)
    if compiler is None or changed is None:
        return snapshots.keep(cluster_id, NOTHING.version, lambda: NOTHING, (), inputs)
    return snapshots.keep(cluster_id, changed.version, lambda: compiler.manifest, changed.resources, inputs)


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


def _entry(session: Session, mesh: tables.Mesh, cluster_id: UUID, version: str) -> Mapping[str, Any]:
    """One cluster's line of the plan: the snapshot to reach, and the delivery to go from and, if need be, back to."""
    before = Deliveries(session, mesh.org_id, mesh.id).newest(cluster_id)
    return {"after": version, "before": before.sequence if before else 0}


def _supersede(session: Session, mesh: tables.Mesh, revision: int, now: datetime) -> None:
    row = tables.Revision
    mine = (row.org_id == mesh.org_id, row.mesh_id == mesh.id)
    overtaken = (row.number < revision, row.status.in_(OVERTAKEN))
    session.execute(update(row).where(*mine, *overtaken).values(status="superseded"))
    session.execute(update(row).where(*mine, row.number == revision).values(status="rolling_out", compiled_at=now))
