"""What was made of it, and how far that has come."""

from alembic import op

from migrations.first.columns import NOW, big, binary, boolean, index, json, primary, text, time, under, uuid


def create() -> None:
    """Make these tables, parents first."""
    _resource_bodies()
    _snapshots()
    _rollouts()
    _deliveries()


def _resource_bodies() -> None:
    op.create_table(
        "resource_bodies",
        uuid("org_id"),
        text("version"),
        text("type"),
        text("name"),
        binary("body"),
        primary("org_id", "version"),
        under("orgs", "org_id"),
    )


def _snapshots() -> None:
    op.create_table(
        "snapshots",
        uuid("org_id"),
        uuid("mesh_id"),
        uuid("cluster_id"),
        text("version"),
        text("manifest"),
        json("inputs"),
        time("created_at", default=NOW),
        primary("org_id", "mesh_id", "cluster_id", "version"),
        under("meshes", "org_id", "mesh_id"),
        under("clusters", "org_id", "cluster_id"),
    )


def _rollouts() -> None:
    op.create_table(
        "rollouts",
        uuid("org_id"),
        uuid("mesh_id"),
        big("revision"),
        text("phase"),
        text("state"),
        big("generation", default="0"),
        json("plan"),
        json("decisions", default="'[]'"),
        time("started_at", default=NOW),
        time("phase_at", default=NOW),
        time("ended_at", nullable=True),
        primary("org_id", "mesh_id", "revision"),
        under("meshes", "org_id", "mesh_id"),
    )
    index("rollouts_running", "rollouts", "org_id", "mesh_id", where="state = 'running'")


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        uuid("org_id"),
        uuid("mesh_id"),
        uuid("cluster_id"),
        big("sequence"),
        big("revision"),
        text("phase"),
        text("version"),
        text("manifest"),
        boolean("expected"),
        json("views", default="'{}'"),
        time("offered_at", default=NOW),
        time("sent_at", nullable=True),
        time("applied_at", nullable=True),
        time("acked_at", nullable=True),
        primary("org_id", "mesh_id", "cluster_id", "sequence"),
        under("meshes", "org_id", "mesh_id"),
        under("clusters", "org_id", "cluster_id"),
    )
    index("deliveries_newest", "deliveries", "org_id", "cluster_id", "mesh_id", "sequence")
