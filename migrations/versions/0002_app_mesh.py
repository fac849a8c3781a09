"""0002: what App Mesh's interface needs: access keys that can be deleted, owners in shared meshes, quotas.

Tags become `json`, because `jsonb` forgets their order, and a client reads them back in the order that it wrote. The
rewrite is DDL, which no row-level policy hides rows from.
"""

from alembic import op

from isthmus.store.roles import APP
from migrations.first.columns import NOW, index, integer, primary, text, time, under, uuid
from migrations.first.walls import wall_off

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """One transaction, so that a half-made schema is never seen."""
    op.add_column("accounts", time("created_at", default=NOW))
    op.add_column("resource_versions", text("owner", nullable=True))
    _retype("json")
    op.execute(f"GRANT DELETE ON access_keys TO {APP}")
    index("idempotency_keys_age", "idempotency_keys", "org_id", "principal", "created_at")
    op.create_table(
        "quotas", uuid("org_id"), text("name"), integer("value"), primary("org_id", "name"), under("orgs", "org_id")
    )
    wall_off("quotas")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON quotas TO {APP}")


def downgrade() -> None:
    """Back to step 1; owners other than the mesh's, and quotas, are lost."""
    op.drop_table("quotas")
    op.drop_index("idempotency_keys_age", "idempotency_keys")
    op.execute(f"REVOKE DELETE ON access_keys FROM {APP}")
    _retype("jsonb")
    op.alter_column("resource_versions", "tags", server_default="{}")
    op.drop_column("resource_versions", "owner")
    op.drop_column("accounts", "created_at")


def _retype(to: str) -> None:
    """Without a default: `json` has no equality to compare one by, and every writer says what it means."""
    op.execute(
        f"ALTER TABLE resource_versions ALTER COLUMN tags DROP DEFAULT, ALTER COLUMN tags TYPE {to} USING tags::{to}"
    )
