"""quotas: how much of what an org may have. App Mesh's own list (appmesh.md §3.7), with limits that fit us better.

A limit stands where it is not told otherwise for an org. It is asked when something is made, so lowering one takes
nothing away.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from isthmus.errors import NotFound, QuotaExceeded
from isthmus.model.key import PARENTS, Key
from isthmus.store import tables

OBJECTS = "objects_per_mesh"
MESHES = "meshes_per_account_and_region"
BACKENDS = "backends_per_virtual_node"
OF_KIND: Mapping[str, str] = {
    "VirtualNode": "virtual_nodes_per_mesh",
    "VirtualService": "virtual_services_per_mesh",
    "VirtualRouter": "virtual_routers_per_mesh",
    "VirtualGateway": "virtual_gateways_per_mesh",
    "Route": "routes_per_virtual_router",
    "GatewayRoute": "gateway_routes_per_virtual_gateway",
}
DEFAULTS: Mapping[str, int] = {
    **dict.fromkeys([OBJECTS, *OF_KIND.values(), BACKENDS], 10_000),
    MESHES: 1_000,
}
"""Of each quota (product.md §2.5: 10,000 objects a mesh, so no kind can have more)."""

APP_MESH: Mapping[str, int] = {
    MESHES: 15,
    "virtual_nodes_per_mesh": 200,
    "virtual_services_per_mesh": 200,
    "virtual_routers_per_mesh": 200,
    "virtual_gateways_per_mesh": 3,
    "routes_per_virtual_router": 50,
    "gateway_routes_per_virtual_gateway": 10,
    BACKENDS: 50,
}
"""What App Mesh allowed, for who wants the same."""

_ROW = tables.ResourceVersion


class Quotas:
    """The quotas of one org."""

    def __init__(self, session: Session, org: UUID) -> None:
        self._session, self._org = session, org

    def all(self) -> Mapping[str, int]:
        """Every quota with its limit."""
        row = tables.Quota
        told = self._session.execute(select(row.name, row.value).where(row.org_id == self._org))
        return {**DEFAULTS, **{name: value for name, value in told if name in DEFAULTS}}

    def set(self, name: str, value: int | None) -> None:
        """Another limit from now on; None is the default again. NotFound if there is no such quota."""
        if name not in DEFAULTS:
            raise NotFound(f"there is no quota {name!r}: {', '.join(sorted(DEFAULTS))}")
        row = tables.Quota
        if value is None:
            self._session.execute(delete(row).where(row.org_id == self._org, row.name == name))
            return
        told = insert(row).values(org_id=self._org, name=name, value=value)
        self._session.execute(told.on_conflict_do_update(index_elements=["org_id", "name"], set_={"value": value}))

    def count_meshes_alone(self, account: str, region: str) -> None:
        """Until this transaction ends nobody else makes a mesh there: each of two would not see the other's."""
        name = func.hashtextextended(f"meshes:{self._org}/{account}/{region}", 0)
        self._session.execute(select(func.pg_advisory_xact_lock(name)))

    def refuse_more_meshes(self, account: str, region: str) -> None:
        """QuotaExceeded if the account has more meshes in a region than it may, one just made included."""
        row = tables.Mesh
        mine = (row.org_id == self._org, row.account_id == account, row.region == region, row.deleted_at.is_(None))
        number = self._session.scalar(select(func.count()).select_from(row).where(*mine)) or 0
        _refuse(self.all(), MESHES, number, f"account {account} has too many meshes in {region}")

    def refuse_more_objects(self, mesh: UUID, made: Iterable[Key], backends: Mapping[str, int]) -> None:
        """QuotaExceeded if a mesh has more than it may of what was just made, or a node that got backends too many."""
        places = {(key.kind, Key(key.kind, "", key.parent).text.removesuffix("/")) for key in made}
        if not places and not backends:
            return
        limits = self.all()
        for node, number in sorted(backends.items()):
            _refuse(limits, BACKENDS, number, f"virtual node {node} has too many backends")
        counts = self._counts(mesh) if places else {}
        _refuse(limits, OBJECTS, sum(counts.values()), "the mesh has too many objects")
        for (kind, within), number in counts.items():
            if (kind, within) in places and kind in OF_KIND:
                _refuse(limits, OF_KIND[kind], number, f"{within or 'the mesh'} has too many {kind}s")

    def _counts(self, mesh: UUID) -> Mapping[tuple[str, str], int]:
        """How many there are by kind, and by parent where the kind has one."""
        within: ColumnElement[Any] = case((_ROW.kind.in_(PARENTS), func.split_part(_ROW.key, "/", 1)), else_="")
        standing = (_ROW.org_id == self._org, _ROW.mesh_id == mesh, _ROW.to_revision.is_(None))
        counted = select(_ROW.kind, within, func.count()).where(*standing).group_by(_ROW.kind, within)
        found: Counter[tuple[str, str]] = Counter()
        for kind, parent, number in self._session.execute(counted):
            if kind not in {"Mesh", "Settings"}:
                found[kind, parent] = number
        return found


def _refuse(limits: Mapping[str, int], quota: str, number: int, what: str) -> None:
    if number > limits[quota]:
        raise QuotaExceeded(quota, limits[quota], what)
