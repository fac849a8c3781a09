"""vips: the addresses that a mesh's virtual services have, had, and get.

They stand in the services' rows, so history knows them and there is no second list that could differ. Nobody gets an
address while another has it, nor for a day after: names are remembered by resolvers and connections kept by callers
for longer than a deletion takes. A service that comes back within that day has its own again. The mesh is held while
addresses are given (`Revisions.hold`), so two writers never give the same one.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, any_, cast, select
from sqlalchemy.orm import Session

from isthmus.model.vips import assigned
from isthmus.store import tables

REST = timedelta(days=1)
"""How long an address is nobody else's after its service is gone."""

_ROW = tables.ResourceVersion


class Vips:
    """The addresses of one mesh."""

    def __init__(self, session: Session, org: UUID, mesh: UUID) -> None:
        self._session, self._org, self._mesh = session, org, mesh

    def give(self, names: Collection[str], within: IPv4Network, now: datetime) -> Mapping[str, str]:
        """An address for each service that has none: its last, or a new one. VipsExhausted if the range has no more."""
        rested = self._reserved(now)
        back = {name: rested[name] for name in names if name in rested}
        taken = map(IPv4Address, rested.values())
        new = assigned([name for name in names if name not in back], within, set(taken))
        return back | {name: str(vip) for name, vip in new.items()}

    def all(self, at: int) -> Mapping[str, str]:
        """Those of all services, as they stood at a revision."""
        return self._read(self._stood(at))

    def of(self, names: Iterable[str], at: int) -> Mapping[str, str]:
        """Those of some services."""
        listed = list(names)
        return self._read(self._stood(at), _ROW.key == any_(cast(listed, ARRAY(Text)))) if listed else {}

    def _reserved(self, now: datetime) -> Mapping[str, str]:
        """By name: what stands, and what ended less than a day ago. Of a service's rows the last counts."""
        since = self._first_within(now - REST)
        return self._read(_ROW.to_revision.is_(None) | (_ROW.to_revision >= since))

    def _first_within(self, horizon: datetime) -> int:
        """The revision after the last one that was accepted before a time; newest first, so few are looked at."""
        row = tables.Revision
        mine = (row.org_id == self._org, row.mesh_id == self._mesh, row.accepted_at <= horizon)
        last = self._session.scalar(select(row.number).where(*mine).order_by(row.number.desc()).limit(1))
        return (last or 0) + 1

    @staticmethod
    def _stood(at: int) -> ColumnElement[bool]:
        return (_ROW.from_revision <= at) & (_ROW.to_revision.is_(None) | (_ROW.to_revision > at))

    def _read(self, *conditions: ColumnElement[bool]) -> Mapping[str, str]:
        mine = (_ROW.org_id == self._org, _ROW.mesh_id == self._mesh, _ROW.kind == "VirtualService")
        query = select(_ROW.key, _ROW.vip).where(*mine, _ROW.vip.is_not(None), *conditions).order_by(_ROW.from_revision)
        return {key: str(vip) for key, vip in self._session.execute(query)}
