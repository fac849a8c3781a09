"""snapshots: what a revision became for a cluster: the views, and what an Envoy with one of them is told.

The same as `isthmus compile` makes of a file, but of what is stored; so it stays what it was when the compiler changes.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from api.openapi import says
from api.v1.context import Call, Calling, MeshRef
from api.v1.revisions import MESH, Number, found
from isthmus.errors import NotFound
from isthmus.store import tables
from isthmus.store.clusters import Clusters
from isthmus.store.meshes import full_ref
from isthmus.store.snapshots import Snapshots
from isthmus.xds.decoded import counted, told
from isthmus.xds.origins import Known
from isthmus.xds.snapshot import Manifest, Resource

router = APIRouter(tags=["revisions"])

Cluster = Annotated[str, Query(description="For which cluster.")]
View = Annotated[str | None, Query(description="Which view; without it, all of them are listed with their sizes.")]


@router.get(f"{MESH}/revisions/{{number}}/snapshot", operation_id="getSnapshot", openapi_extra=says("Snapshot"))
async def get_snapshot(
    calling: Calling, mesh: MeshRef, number: Number, cluster: Cluster, view: View = None
) -> dict[str, Any]:
    """What a revision became for one cluster: its views or, with `view`, every resource of one, decoded."""

    def read(session: Session) -> Stored:
        row = calling.mesh(session, mesh)
        found(session, calling, row, number)
        return _stored(session, calling, row, number, cluster, view)

    stored = await calling.run(read)
    return await run_in_threadpool(_told, stored, view)  # decoding a large view takes a while


class Stored(NamedTuple):
    """What is said of any snapshot, its manifest, the bodies of the view that is asked for, and what names lead to."""

    said: dict[str, Any]
    manifest: Manifest
    bodies: Mapping[str, Resource]
    known: Known


def _stored(session: Session, calling: Call, mesh: tables.Mesh, number: int, cluster: str, view: str | None) -> Stored:
    snapshots = Snapshots(session, calling.org, mesh.id)
    row = snapshots.of_revision(number, Clusters(session, calling.org).get(cluster).id)
    manifest = Manifest.parse(row.manifest)
    if view is not None and view not in manifest.views:
        raise NotFound(f"revision {number} has no view {view} for cluster {cluster}")
    said = {
        "mesh": mesh.name,
        "ref": full_ref(mesh),
        "revision": number,
        "cluster": cluster,
        "version": row.version,
        "inputs": row.inputs,
        "created_at": row.created_at.isoformat(),
    }
    bodies = {} if view is None else snapshots.bodies(manifest, view)
    return Stored(said, manifest, bodies, Known.by(mesh.name, mesh.id, manifest))


def _told(stored: Stored, view: str | None) -> dict[str, Any]:
    if view is None:
        return stored.said | {"views": [counted(stored.manifest, each) for each in stored.manifest.views]}
    listed = list(told(stored.manifest, view, stored.bodies, stored.known))
    return stored.said | {"view": view, "view_version": stored.manifest.view_version(view), "resources": listed}
