"""plaintext: who calls what without mutual TLS, cluster by cluster: what stands between a mesh and `strict`."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.openapi import says
from api.v1.context import Calling, MeshRef, Paged
from isthmus.store.plaintext import REMEDY, Pair, Plaintext

router = APIRouter(tags=["meshes"])


@router.get("/meshes/{mesh:segment}/plaintext", operation_id="listPlaintext", openapi_extra=says("PlaintextList"))
async def list_plaintext(calling: Calling, mesh: MeshRef, page: Paged) -> dict[str, Any]:
    """Calls in plaintext, or in App Mesh's TLS to what has no proxy, as clusters have reported, and who has not."""
    silent: list[str] = []

    def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
        found = Plaintext(session, calling.org, calling.mesh(session, mesh).id)
        silent[:] = found.silent
        listed = sorted((_place(pair), _told(pair)) for pair in found.pairs)
        return [each for each in listed if after is None or each[0] > after][:limit]

    return await page.of(rows) | {"silent_clusters": silent}


def _place(pair: Pair) -> str:
    """Names have no line break that a cluster would have let pass; ports sort as numbers."""
    return "\n".join((pair.cluster, pair.kind, pair.caller, pair.node, f"{pair.port:05}"))


def _told(pair: Pair) -> dict[str, Any]:
    return {
        "cluster": pair.cluster,
        "caller": {"kind": pair.kind, "name": pair.caller},
        "node": pair.node,
        "port": pair.port,
        "instances": list(pair.instances),
        "reason": pair.reason,
        "remedy": REMEDY,
    }
