"""rise: the control plane from nothing to proven, step by step, under a supervisor.

Databases first, then keys and schema, then all of our processes at once. What takes long is importing them, so they
start as soon as they can be told their settings.
"""

from datetime import UTC, datetime
from uuid import UUID

from isthmus.embedded.first_start import Credentials, make_keys, make_org
from isthmus.embedded.installation import STORES, Installation
from isthmus.embedded.proof import prove
from isthmus.embedded.steps import Steps
from isthmus.embedded.supervisor import Supervisor
from isthmus.embedded.waiting import patience, wait
from isthmus.store.database import Database
from isthmus.store.migrate import upgrade


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
