"""Where it runs, and whom we believe there."""

from alembic import op

from migrations.first.columns import NOW, big, binary, index, integer, json, primary, text, time, under, uuid


def create() -> None:
    """Make these tables, parents first."""
    _clusters()
    _authorities()
    _join_tokens()
    _replicas()
    _summaries()


def _clusters() -> None:
    op.create_table(
        "clusters",
        uuid("org_id"),
        uuid("id"),
        text("name"),
        text("region"),
        text("network"),
        text("state", default="'never'"),
        time("lease_until", nullable=True),
        big("sequence", default="0"),
        big("topology_generation", default="0"),
        big("trust_generation", default="0"),
        time("created_at", default=NOW),
        primary("org_id", "id"),
        under("orgs", "org_id"),
    )
    index("clusters_name", "clusters", "org_id", "name", unique=True)


def _authorities() -> None:
    op.create_table(
        "authorities",
        uuid("org_id"),
        uuid("cluster_id"),
        integer("number"),
        text("trust_domain"),
        text("state"),
        text("signer"),
        binary("sealed_key", nullable=True),
        binary("certificate"),
        time("not_after"),
        time("created_at", default=NOW),
        primary("org_id", "cluster_id", "number"),
        under("clusters", "org_id", "cluster_id"),
    )
    index("authorities_domain", "authorities", "trust_domain", "number", unique=True)


def _join_tokens() -> None:
    op.create_table(
        "join_tokens",
        uuid("org_id"),
        uuid("id"),
        uuid("cluster_id"),
        binary("hash"),
        time("expires_at"),
        time("used_at", nullable=True),
        time("created_at", default=NOW),
        primary("org_id", "id"),
        under("clusters", "org_id", "cluster_id"),
    )
    index("join_tokens_hash", "join_tokens", "hash", unique=True)


def _replicas() -> None:
    op.create_table(
        "replicas",
        uuid("org_id"),
        uuid("cluster_id"),
        text("name"),
        binary("key_hash"),
        big("epoch", default="0"),
        time("evicted_at", nullable=True),
        text("version", default="''"),
        json("features", default="'[]'"),
        json("applied", default="'[]'"),
        text("hub", default="''"),
        integer("wardens", default="0"),
        integer("proxies", default="0"),
        time("seen_at", nullable=True),
        time("certificate_expires"),
        primary("org_id", "cluster_id", "name"),
        under("clusters", "org_id", "cluster_id"),
    )


def _summaries() -> None:
    op.create_table(
        "summaries",
        uuid("org_id"),
        uuid("mesh_id"),
        uuid("cluster_id"),
        big("generation"),
        json("content"),
        time("updated_at", default=NOW),
        primary("org_id", "mesh_id", "cluster_id"),
        under("meshes", "org_id", "mesh_id"),
        under("clusters", "org_id", "cluster_id"),
    )
