"""0004: managed certificates and authorities, ACME's accounts and challenges, and who is offered which.

What a delivery names is kept with it, because that alone says which cluster may have which key. What was compiled
before names none.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from isthmus.store.roles import APP
from migrations.first.columns import NOW, big, binary, index, integer, json, primary, text, time, under, uuid
from migrations.first.wakes import NOBODY
from migrations.first.walls import wall_off

revision = "0004"
down_revision = "0003"

GRANTS = {
    "certificate_authorities": "SELECT, INSERT, DELETE",
    "certificates": "SELECT, INSERT, UPDATE, DELETE",
    "acme_accounts": "SELECT, INSERT",
    "acme_challenges": "SELECT, INSERT, UPDATE, DELETE",
}
_ANY = f"EXECUTE FUNCTION wake('cluster', '{NOBODY}')"
_RENEWED = "WHEN (OLD.generation IS DISTINCT FROM NEW.generation)"
TRIGGERS = (
    f"certificates_gone AFTER DELETE ON certificates FOR EACH ROW {_ANY}",
    f"certificates_renewed AFTER UPDATE ON certificates FOR EACH ROW {_RENEWED} {_ANY}",
    f"certificates_made AFTER INSERT ON certificates FOR EACH ROW WHEN (NEW.generation > 0) {_ANY}",
    f"certificate_authorities_wake AFTER INSERT OR DELETE ON certificate_authorities FOR EACH ROW {_ANY}",
    f"acme_challenges_wake AFTER INSERT OR UPDATE OR DELETE ON acme_challenges FOR EACH ROW {_ANY}",
)


def upgrade() -> None:
    """One transaction, so that a half-made schema is never seen."""
    _authorities()
    _certificates()
    _acme()
    op.add_column("resource_bodies", sa.Column("managed", postgresql.JSONB(), nullable=True))
    index("resource_bodies_managed", "resource_bodies", "org_id", "version", where="managed IS NOT NULL")
    op.add_column("deliveries", json("managed", default="'[]'"))
    for table, grants in GRANTS.items():
        wall_off(table)
        op.execute(f"GRANT {grants} ON {table} TO {APP}")
    for trigger in TRIGGERS:
        op.execute(f"CREATE TRIGGER {trigger}")


def downgrade() -> None:
    """Back to step 2; every managed certificate is lost."""
    op.drop_column("deliveries", "managed")
    op.drop_index("resource_bodies_managed", "resource_bodies")
    op.drop_column("resource_bodies", "managed")
    for table in ("acme_challenges", "acme_accounts", "certificates", "certificate_authorities"):
        op.drop_table(table)


def _authorities() -> None:
    op.create_table(
        "certificate_authorities",
        uuid("org_id"),
        uuid("id"),
        text("account_id"),
        text("region"),
        text("arn"),
        text("name"),
        binary("roots"),
        binary("sealed_key", nullable=True),
        time("not_after"),
        time("created_at", default=NOW),
        primary("org_id", "id"),
        under("accounts", "org_id", "account_id"),
    )
    index("certificate_authorities_arn", "certificate_authorities", "org_id", "arn", unique=True)


def _certificates() -> None:
    op.create_table(
        "certificates",
        uuid("org_id"),
        uuid("id"),
        text("account_id"),
        text("region"),
        text("arn"),
        text("source"),
        json("domains"),
        uuid("authority_id", nullable=True),
        integer("life", nullable=True),
        text("directory", nullable=True),
        text("state"),
        text("reason", default="''"),
        integer("failures", default="0"),
        json("pending", nullable=True),
        binary("pending_key", nullable=True),
        binary("chain", nullable=True),
        binary("sealed_key", nullable=True),
        text("serial", nullable=True),
        time("not_before", nullable=True),
        time("not_after", nullable=True),
        big("generation", default="0"),
        big("revision", default="1"),
        time("created_at", default=NOW),
        primary("org_id", "id"),
        under("accounts", "org_id", "account_id"),
    )
    index("certificates_arn", "certificates", "org_id", "arn", unique=True)
    index("certificates_authority", "certificates", "org_id", "authority_id")


def _acme() -> None:
    op.create_table(
        "acme_accounts",
        uuid("org_id"),
        text("directory"),
        text("url"),
        binary("sealed_key"),
        time("created_at", default=NOW),
        primary("org_id", "directory"),
        under("orgs", "org_id"),
    )
    op.create_table(
        "acme_challenges",
        uuid("org_id"),
        uuid("certificate_id"),
        text("domain"),
        text("token"),
        text("answer"),
        time("created_at", default=NOW),
        primary("org_id", "certificate_id", "domain"),
        sa.ForeignKeyConstraint(
            ["org_id", "certificate_id"], ["certificates.org_id", "certificates.id"], ondelete="CASCADE"
        ),
    )
