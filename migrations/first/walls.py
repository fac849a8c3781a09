"""The wall between tenants: row-level security on every table of theirs, and what the application may do to each.

`FORCE`, so that the owner is subject to it as well. A setting that is not set is NULL, and after its first use in a
session `''`; both become NULL, which no row equals: without an org there is nothing to see (platform.md §3). Grants are
what the stores need and no more: what a tenant once said cannot be rewritten, nor a revision deleted.
"""

from collections.abc import Mapping

from alembic import op

from isthmus.store.roles import APP

ORG = "nullif(current_setting('app.org_id', true), '')::uuid"
GRANTS: Mapping[str, str] = {
    "orgs": "SELECT, INSERT",
    "accounts": "SELECT, INSERT",
    "tokens": "SELECT, INSERT, UPDATE (revoked_at)",
    "access_keys": "SELECT, INSERT, UPDATE (active)",
    "idempotency_keys": "SELECT, INSERT, UPDATE, DELETE",
    "meshes": "SELECT, INSERT, UPDATE (head, target, live, compile_generation, deleted_at)",
    "resource_versions": "SELECT, INSERT, UPDATE (to_revision)",
    "resource_references": "SELECT, INSERT, DELETE",
    "revisions": "SELECT, INSERT, UPDATE",
    "promises": "SELECT, INSERT, UPDATE",
    "clusters": "SELECT, INSERT, UPDATE, DELETE",
    "authorities": "SELECT, INSERT, UPDATE (state)",
    "join_tokens": "SELECT, INSERT",
    "replicas": "SELECT, INSERT, UPDATE",
    "summaries": "SELECT, INSERT, UPDATE",
    "resource_bodies": "SELECT, INSERT",
    "snapshots": "SELECT, INSERT",
    "rollouts": "SELECT, INSERT, UPDATE",
    "deliveries": "SELECT, INSERT, UPDATE",
}
"""Every tenant's table. What a cluster or mesh takes along when it goes is deleted by foreign keys, without a grant."""
SHARED: Mapping[str, str] = {
    "beats": "SELECT, INSERT, UPDATE",
    "hubs": "SELECT, INSERT, UPDATE",
    "trust_domain_names": "SELECT, INSERT, UPDATE (generation)",
}
"""No tenant's, so without a wall."""


def build() -> None:
    """Wall off the tenants' tables and let the application in."""
    for table, grants in GRANTS.items():
        wall_off(table, key="id" if table == "orgs" else "org_id")
        op.execute(f"GRANT {grants} ON {table} TO {APP}")
    for table, grants in SHARED.items():
        op.execute(f"GRANT {grants} ON {table} TO {APP}")


def wall_off(table: str, *, key: str = "org_id") -> None:
    """From here on a transaction sees, and can make, only the rows of the org that it is bound to."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {table}_org ON {table} USING ({key} = {ORG}) WITH CHECK ({key} = {ORG})")
