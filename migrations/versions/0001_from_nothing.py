"""0001: from nothing to step 1: tables, walls between tenants, look-ups, wake-ups.

Roles are not made here but by `isthmus.store.roles`: they are the server's, and a migration's role may not make any.
"""

from alembic import op

from migrations.first import clusters, compiled, lookups, meshes, ours, tenants, wakes, walls

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make everything; one transaction, so that a half-made schema is never seen."""
    for tables in (tenants, meshes, clusters, compiled, ours):
        tables.create()
    walls.build()
    lookups.build()
    wakes.build()


def downgrade() -> None:
    """Back to nothing: for tests, and for an installation that never held anything."""
    for lookup in lookups.LOOKUPS:
        op.execute(f"DROP FUNCTION {lookup.signature}")
    op.execute(f"DROP TABLE {', '.join([*walls.GRANTS, *walls.SHARED])}")
    for function in ("wake()", "wake_cluster()"):
        op.execute(f"DROP FUNCTION {function}")
