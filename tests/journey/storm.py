"""The storm: changes are committed while Valkey, worker and relay are killed -9; then everything is counted.

An accepted change is kept if its mesh's target has reached it. The same code runs six kills in `make test` and two
hundred in `make soak`; the seed decides who is killed when.
"""

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from uuid import UUID

from sqlalchemy import func, select

from isthmus.embedded import ports
from isthmus.embedded.first_start import ACCOUNT, make_keys, make_org
from isthmus.embedded.installation import STORES, Installation
from isthmus.embedded.places import Places
from isthmus.embedded.supervisor import Supervisor
from isthmus.embedded.waiting import supervised, wait
from isthmus.store import tables
from isthmus.store.database import Database
from isthmus.store.meshes import Meshes
from isthmus.store.migrate import upgrade
from isthmus.store.revisions import Change, Revisions
from tests import build

VICTIMS = ("valkey", "worker", "relay")
MESHES = 3
DOOMED = 0.2
"""The share of changes that are rolled back after everything was written."""
PATIENCE_SECONDS = 60.0


class RolledBack(Exception):
    """The storm's own: a transaction that changes its mind."""


@dataclass
class Count:
    """What was done and what came of it."""

    seed: int
    committed: int = 0
    rolled_back: int = 0
    missing: int = 0
    phantoms: int = 0
    unkept_promises: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    caught_up_seconds: float = 0.0

    @property
    def line(self) -> str:
        """One line for a report."""
        kills = ", ".join(f"{name} {n}" for name, n in sorted(self.kills.items()))
        return (
            f"seed {self.seed}: {self.committed} changes committed, {self.rolled_back} rolled back; kills: {kills}; "
            f"missing {self.missing}, phantoms {self.phantoms}, promises unkept {self.unkept_promises}; "
            f"caught up {self.caught_up_seconds:.1f} s after the last change"
        )


def storm(kills: int, seed: int) -> Count:
    """Run it in a directory of its own. Main thread only, because a supervisor is."""
    home = Path(mkdtemp(prefix="isthmus-"))
    count = Count(seed)
    try:
        places = Places.open(home)
        installation = Installation(places, ports.DEFAULT_BASE, ("us-east-1",))  # nothing here listens on TCP
        supervisor = Supervisor(places.logs, lambda _name, _what: None)
        supervisor.add(*installation.stores())

        def work() -> None:
            _Storm(installation, supervisor, count).blow(kills)
            supervisor.finish()

        supervised(supervisor, work)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return count


class _Storm:
    def __init__(self, installation: Installation, supervisor: Supervisor, count: Count) -> None:
        self._installation, self._supervisor, self._count = installation, supervisor, count
        self._random = random.Random(count.seed)  # chooses victims, keeps no secret

    def blow(self, kills: int) -> None:
        """Start, load and kill, wait until it is calm, count."""
        database, org = self._begin()
        meshes = self._meshes(database, org)
        over = threading.Event()
        writer = threading.Thread(target=self._load, args=(database, org, meshes, over))
        writer.start()
        victims = [VICTIMS[i % len(VICTIMS)] for i in range(kills)]
        self._random.shuffle(victims)
        for victim in victims:
            self._at_work(database, org)
            time.sleep(self._random.uniform(0.0, 0.1))
            self._supervisor.kill(victim)
            self._count.kills[victim] += 1
        over.set()
        writer.join()
        began = time.monotonic()
        self._until(lambda: self._unkept(database, org) == 0)
        self._count.caught_up_seconds = time.monotonic() - began
        self._tally(database, org)
        database.close()

    def _begin(self) -> tuple[Database, UUID]:
        places = self._installation.places
        make_keys(places, self._installation.base_domain, datetime.now(UTC))
        wait(self._supervisor, lambda: self._supervisor.ready(STORES))
        upgrade(self._installation.admin_url())
        database = Database(self._installation.settings().database_url, pool_size=3)
        org = UUID(make_org(places, database).org_id)
        self._supervisor.add(*(p for p in self._installation.processes() if p.name in VICTIMS))
        return database, org

    def _meshes(self, database: Database, org: UUID) -> list[UUID]:
        now = datetime.now(UTC)
        with database.tenant(org) as session:
            return [Meshes(session, org).create(ACCOUNT, "us-east-1", f"m{i}", now=now).id for i in range(MESHES)]

    def _load(self, database: Database, org: UUID, meshes: list[UUID], over: threading.Event) -> None:
        """Change after change, every fifth or so rolled back at the last moment."""
        chooses, port = random.Random(self._count.seed + 1), 0
        while not over.is_set():
            port = port % 60000 + 1
            try:
                self._write(database, org, chooses.choice(meshes), port, doomed=chooses.random() < DOOMED)
                self._count.committed += 1
            except RolledBack:
                self._count.rolled_back += 1
            time.sleep(0.002)

    def _write(self, database: Database, org: UUID, mesh: UUID, port: int, *, doomed: bool) -> None:
        with database.tenant(org) as session:
            change = Change("put", build.node("n", port=port))
            revisions = Revisions(session, org, mesh)
            revisions.apply([change], author="storm", reason="storm", now=datetime.now(UTC))
            if doomed:
                raise RolledBack

    def _at_work(self, database: Database, org: UUID) -> None:
        """Return when promises are being kept again, so that every kill hits a system that works."""
        before = self._kept(database, org)
        self._until(lambda: self._kept(database, org) > before)

    def _kept(self, database: Database, org: UUID) -> int:
        row = tables.Promise
        with database.tenant(org) as session:
            return session.scalars(select(func.count()).where(row.org_id == org, row.processed_at.is_not(None))).one()

    def _unkept(self, database: Database, org: UUID) -> int:
        row = tables.Promise
        with database.tenant(org) as session:
            return session.scalars(select(func.count()).where(row.org_id == org, row.processed_at.is_(None))).one()

    def _tally(self, database: Database, org: UUID) -> None:
        with database.tenant(org) as session:
            meshes = session.scalars(select(tables.Mesh).where(tables.Mesh.org_id == org)).all()
            mine = (tables.Revision.org_id == org, tables.Revision.author == "storm")
            written = session.scalars(select(func.count()).select_from(tables.Revision).where(*mine)).one()
            waiting = (tables.Revision.status.in_(("accepted", "compiling")), *mine)
            self._count.missing = session.scalars(
                select(func.count()).select_from(tables.Revision).where(*waiting)
            ).one() + sum(m.head - m.target for m in meshes)
        self._count.phantoms = written - self._count.committed
        self._count.unkept_promises = self._unkept(database, org)

    def _until(self, calm: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not calm() and time.monotonic() < deadline:
            time.sleep(0.05)
