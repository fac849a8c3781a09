"""rise: the control plane from nothing to proven, step by step, under a supervisor.

Databases first, then keys and schema, then all of our processes at once. What takes long is importing them, so they
start as soon as they can be told their settings.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from isthmus.embedded.first_start import Credentials, make_keys, make_org
from isthmus.embedded.installation import STORES, Installation
from isthmus.embedded.proof import prove
from isthmus.embedded.steps import Steps
from isthmus.embedded.supervisor import Supervisor
from isthmus.store.database import Database
from isthmus.store.migrate import upgrade

PATIENCE_SECONDS = 90.0
_ROUND_SECONDS = 0.02
_DEATHS = 4
"""A process that has died so often in a row while we wait will not come up by itself."""


class NotReady(RuntimeError):
    """The control plane did not come up; says what died and where its log is."""


class Stopped(Exception):
    """Somebody asked us to stop while we were waiting."""


def rise(installation: Installation, supervisor: Supervisor, steps: Steps) -> Credentials:
    """Bring everything up; the stores' programs are the supervisor's already. NotReady, or Stopped, if it does not."""
    with steps.step("keys"):
        make_keys(installation.places, installation.base_domain, datetime.now(UTC))
    with steps.step("PostgreSQL and Valkey"):
        wait(supervisor, lambda: supervisor.ready(STORES))
    with steps.step("schema and org"):
        upgrade(installation.admin_url())
        database = Database(installation.settings().database_url, pool_size=2)
        credentials = make_org(installation.places, database)
    processes = installation.processes()
    supervisor.add(*processes)
    with steps.step(f"{len(processes)} processes"):
        wait(supervisor, supervisor.ready)
    with steps.step("a request through every process"):
        again(installation, supervisor, database, UUID(credentials.org_id))
    database.close()
    return credentials


def again(installation: Installation, supervisor: Supervisor, database: Database, org: UUID) -> None:
    """Prove the whole, under the same patience."""
    prove(installation, database, org, patience(supervisor))


def wait(supervisor: Supervisor, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Return when the condition holds; NotReady or Stopped otherwise."""
    give_up = patience(supervisor, seconds)
    while not condition():
        give_up()
        time.sleep(_ROUND_SECONDS)


def patience(supervisor: Supervisor, seconds: float = PATIENCE_SECONDS) -> Callable[[], None]:
    """Called while waiting: raises Stopped when we are to end, NotReady when waiting has become pointless."""
    deadline = time.monotonic() + seconds

    def give_up() -> None:
        if supervisor.finished:
            raise Stopped
        hopeless = supervisor.trouble(_DEATHS)
        if hopeless or time.monotonic() > deadline:
            trouble = hopeless or supervisor.trouble()
            causes = "; ".join(f"{name}: {how}" for name, how in trouble.items())
            raise NotReady(f"not ready within {seconds:.0f} s" if not causes else f"does not come up: {causes}")

    return give_up


def supervised(supervisor: Supervisor, work: Callable[[], None]) -> None:
    """Supervise in this, the main thread, until somebody finishes it, while `work` runs in another.

    What `work` raises ends everything and is raised here; Stopped only says that it noticed the end.
    """
    raised: list[BaseException] = []

    def carry_out() -> None:
        try:
            work()
        except Stopped:
            pass
        except BaseException as e:  # noqa: BLE001 - raised again below, in the main thread
            raised.append(e)
            supervisor.finish()

    thread = threading.Thread(target=carry_out, daemon=True)
    thread.start()
    supervisor.run()
    thread.join(timeout=10)
    if raised:
        raise raised[0]
