"""What a promise is kept by: one short function a task, each in one transaction bound to the promise's org.

The claim is a transaction of its own, so that a cause that comes while the work runs makes a new promise instead of
waiting for this one's end; the effect and "done" are one.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from celery import Celery
from sqlalchemy.orm import Session

from isthmus.adapters.sealer import Sealer
from isthmus.settings import Settings
from isthmus.store import beats, certificates, leases
from isthmus.store.database import Database
from isthmus.store.promises import ClaimLost, Promises
from workers import certify
from workers.compile import bring_to_head
from workers.rollout import Step
from workers.warm import Warm

LEASE_SECONDS = 15.0
"""How long a claim stands; a worker that died with it delays the promise by so much. Tasks take well under a second."""

RETRY_SECONDS = 2.0

log = logging.getLogger("isthmus.worker")
Work = Callable[[Session, UUID, Mapping[str, Any], "Process"], None]


class Process(NamedTuple):
    """What the tasks of one process share."""

    database: Database
    settings: Settings
    warm: Warm


def compile_head(session: Session, org: UUID, arguments: Mapping[str, Any], process: Process) -> None:
    """Bring a mesh to its head and take the first step of its rollout."""
    mesh = UUID(arguments["mesh"])
    now = datetime.now(UTC)
    if bring_to_head(session, org, mesh, process.settings.base_domain, now, process.warm) is not None:
        Step(session, org, mesh, now).take()


def step(session: Session, org: UUID, arguments: Mapping[str, Any], _: Process) -> None:
    """Move a mesh's rollout as far as the answers so far allow."""
    Step(session, org, UUID(arguments["mesh"]), datetime.now(UTC)).take()


def ping(_session: Session, _org: UUID, _arguments: Mapping[str, Any], _process: Process) -> None:
    """Nothing: that it is done proves the way through relay, broker and worker."""


def see_to_certificate(session: Session, org: UUID, arguments: Mapping[str, Any], process: Process) -> None:
    """Issue or renew a managed certificate, or go the next step of its ACME order."""
    sealer = Sealer.load(process.settings.master_key_file)
    certify.see_to(session, org, UUID(arguments["certificate"]), datetime.now(UTC), sealer)


WORK: Mapping[str, Work] = {
    "compile": compile_head,
    "step": step,
    "ping": ping,
    certificates.TASK: see_to_certificate,
}


def keep(process: Process, task: str, org: UUID, promise: int) -> None:
    """Carry out a promise, unless it is done or somebody is at it."""
    database = process.database
    with database.tenant(org) as session:
        claimed = Promises(session, org).claim(promise, LEASE_SECONDS)
    if claimed is None:
        return
    try:
        with database.tenant(org) as session:
            WORK[task](session, org, claimed.arguments, process)
            Promises(session, org).done(promise, claimed.generation)
    except ClaimLost as lost:
        log.warning("%s of promise %d was too slow and is undone: %s", task, promise, lost)
    except Exception:
        log.exception("%s of promise %d failed; it is tried again in %.0f s", task, promise, RETRY_SECONDS)
        with database.tenant(org) as session:
            Promises(session, org).give_back(promise, claimed.generation, RETRY_SECONDS)


def sweep(database: Database) -> None:
    """Mark clusters whose lease has lapsed, and look again at every rollout that is under way."""
    with database.system() as session:
        lapsed, running = leases.lapsed(session), leases.running_rollouts(session)
    for org, cluster in lapsed:
        with database.tenant(org) as session:
            leases.lapse(session, org, cluster)
    for org, mesh in running:
        with database.tenant(org) as session:
            Promises(session, org).make("step", {"mesh": str(mesh)}, once=f"step:{mesh}")


def register(app: Celery, database: Database, settings: Settings) -> None:
    """Give the app its tasks, bound to this process's database."""
    process = Process(database, settings, Warm())
    for name in WORK:

        def run(org: str, promise: int, task: str = name) -> None:
            keep(process, task, UUID(org), promise)

        app.task(name=name)(run)

    @app.task(name="sweep")
    def sweeping() -> None:
        sweep(database)

    @app.task(name="tick")
    def tick() -> None:
        beats.beat(database, "worker")
