"""leases: what time alone changes. Found across orgs by functions of the closed list, changed org by org."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, text, update
from sqlalchemy.orm import Session

from isthmus.store import tables


def lapsed(session: Session) -> Sequence[tuple[UUID, UUID]]:
    """Clusters that are called live and whose lease is over, as (org, cluster)."""
    return [(r.org_id, r.cluster_id) for r in session.execute(text("SELECT org_id, cluster_id FROM lapsed_leases()"))]


def running_rollouts(session: Session) -> Sequence[tuple[UUID, UUID]]:
    """Meshes with a rollout under way, as (org, mesh)."""
    return [(r.org_id, r.mesh_id) for r in session.execute(text("SELECT org_id, mesh_id FROM due_rollouts()"))]


def lapse(session: Session, org: UUID, cluster: UUID) -> None:
    """A missed lease is `unknown`, not dead: it keeps serving and is marked (design §7)."""
    place = tables.Cluster
    over = (place.org_id == org, place.id == cluster, place.lease_until < func.clock_timestamp())
    session.execute(update(place).where(*over, place.state == "live").values(state="unknown"))
