"""What Alembic runs around the migrations: one migrator at a time, and none that makes the application wait.

A migration that waits for a table's lock makes everybody behind it wait too, so it gives up after two seconds and is
tried again in a quieter moment; no statement may run for more than a minute. Backfills are small batches, org by org:
with FORCE the owner sees no row without an org (design §6).
"""

from alembic import context
from sqlalchemy import Connection, text

from isthmus.store.tables import Base

LOCK = 0x157_0002
"""The advisory lock of whoever migrates; it is the session's, because a migration may need to commit in between."""
WAIT_FOR_MIGRATOR, WAIT_FOR_TABLE, LONGEST_STATEMENT = "60s", "2s", "60s"


def migrate(connection: Connection) -> None:
    """Run what is missing, all in one transaction unless a migration says otherwise."""
    context.configure(connection=connection, target_metadata=Base.metadata)
    _say(connection, lock_timeout=WAIT_FOR_MIGRATOR, statement_timeout="0")
    connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
    _say(connection, lock_timeout=WAIT_FOR_TABLE, statement_timeout=LONGEST_STATEMENT)
    connection.commit()
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text(f"SELECT pg_advisory_unlock({LOCK})"))
    connection.commit()


def _say(connection: Connection, **timeouts: str) -> None:
    for name, value in timeouts.items():
        connection.execute(text("SELECT set_config(:name, :value, false)"), {"name": name, "value": value})


migrate(context.config.attributes["connection"])
