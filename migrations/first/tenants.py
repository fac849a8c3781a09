"""Who our tenants are, how they sign in, and the answers kept for their retries."""

import sqlalchemy as sa
from alembic import op

from migrations.first.columns import NOW, binary, boolean, index, integer, json, primary, text, time, under, uuid


def create() -> None:
    """Make these tables, parents first."""
    _orgs()
    _accounts()
    _tokens()
    _access_keys()
    _idempotency_keys()


def _orgs() -> None:
    op.create_table(
        "orgs",
        uuid("id"),
        text("slug"),
        text("name"),
        time("created_at", default=NOW),
        primary("id"),
        sa.UniqueConstraint("slug"),
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        uuid("org_id"),
        text("id"),
        text("name"),
        primary("org_id", "id"),
        under("orgs", "org_id"),
    )
    index("accounts_id", "accounts", "id", unique=True)


def _tokens() -> None:
    op.create_table(
        "tokens",
        uuid("org_id"),
        uuid("id"),
        binary("hash"),
        text("prefix"),
        text("name"),
        time("created_at", default=NOW),
        time("expires_at", nullable=True),
        time("revoked_at", nullable=True),
        primary("org_id", "id"),
        under("orgs", "org_id"),
    )
    index("tokens_hash", "tokens", "hash", unique=True)


def _access_keys() -> None:
    op.create_table(
        "access_keys",
        uuid("org_id"),
        text("id"),
        text("account_id"),
        binary("sealed_secret"),
        boolean("active", default="true"),
        time("created_at", default=NOW),
        primary("org_id", "id"),
        under("accounts", "org_id", "account_id"),
    )
    index("access_keys_id", "access_keys", "id", unique=True)


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        uuid("org_id"),
        text("principal"),
        text("key"),
        binary("request_hash"),
        integer("status"),
        json("headers"),
        binary("body"),
        time("created_at", default=NOW),
        primary("org_id", "principal", "key"),
        under("orgs", "org_id"),
    )
