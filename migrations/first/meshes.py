"""What tenants said, append-only, and the promises made with it."""

import sqlalchemy as sa
from alembic import op

from migrations.first.columns import NOW, big, index, inet, integer, json, primary, text, time, under, uuid


def create() -> None:
    """Make these tables, parents first."""
    _meshes()
    _resource_versions()
    _resource_references()
    _revisions()
    _promises()


def _meshes() -> None:
    op.create_table(
        "meshes",
        uuid("org_id"),
        uuid("id"),
        text("account_id"),
        text("region"),
        text("name"),
        big("head", default="0"),
        big("target", default="0"),
        big("live", default="0"),
        big("compile_generation", default="0"),
        time("created_at", default=NOW),
        time("deleted_at", nullable=True),
        primary("org_id", "id"),
        under("accounts", "org_id", "account_id"),
    )
    index("meshes_name", "meshes", "org_id", "account_id", "region", "name", unique=True, where="deleted_at IS NULL")


def _resource_versions() -> None:
    op.create_table(
        "resource_versions",
        uuid("org_id"),
        uuid("mesh_id"),
        text("kind"),
        text("key"),
        big("from_revision"),
        big("to_revision", nullable=True),
        json("spec"),
        json("tags", default="'{}'"),
        text("digest"),
        uuid("uid"),
        big("version"),
        inet("vip", nullable=True),
        time("created_at"),
        time("updated_at"),
        primary("org_id", "mesh_id", "kind", "key", "from_revision"),
        under("meshes", "org_id", "mesh_id"),
    )
    index("resource_versions_ended", "resource_versions", "org_id", "mesh_id", "to_revision")
    index(
        "resource_versions_standing",
        "resource_versions",
        "org_id",
        "mesh_id",
        "kind",
        "key",
        unique=True,
        where="to_revision IS NULL",
    )


def _resource_references() -> None:
    op.create_table(
        "resource_references",
        uuid("org_id"),
        uuid("mesh_id"),
        text("to_kind"),
        text("to_key"),
        text("kind"),
        text("key"),
        primary("org_id", "mesh_id", "to_kind", "to_key", "kind", "key"),
        under("meshes", "org_id", "mesh_id"),
    )
    index("resource_references_source", "resource_references", "org_id", "mesh_id", "kind", "key")


def _revisions() -> None:
    op.create_table(
        "revisions",
        uuid("org_id"),
        uuid("mesh_id"),
        big("number"),
        text("author"),
        text("reason"),
        text("status", default="'accepted'"),
        json("changed"),
        json("failures", default="'[]'"),
        json("notes", default="'[]'"),
        time("accepted_at"),
        time("compiled_at", nullable=True),
        time("preflighted_at", nullable=True),
        time("offered_at", nullable=True),
        time("sent_at", nullable=True),
        time("acked_at", nullable=True),
        primary("org_id", "mesh_id", "number"),
        under("meshes", "org_id", "mesh_id"),
    )


def _promises() -> None:
    op.create_table(
        "promises",
        uuid("org_id"),
        big("id", sa.Identity(always=True)),
        text("task"),
        json("arguments"),
        text("once", nullable=True),
        time("created_at", default=NOW),
        time("due_at", default=NOW),
        time("sent_at", nullable=True),
        time("claimed_at", nullable=True),
        time("lease_until", nullable=True),
        integer("generation", default="0"),
        time("processed_at", nullable=True),
        primary("org_id", "id"),
        under("orgs", "org_id"),
    )
    index("promises_due", "promises", "due_at", where="processed_at IS NULL")
    index(
        "promises_once", "promises", "org_id", "once", unique=True, where="claimed_at IS NULL AND processed_at IS NULL"
    )
