"""The closed list of what may be looked up before the org is known (design §6). Each returns ids and the org only.

No role of ours has BYPASSRLS, and FORCE blinds the owner too, so these functions belong to a role of their own,
`isthmus_lookup`: it cannot log in; policies `TO isthmus_lookup` let it see the rows of just these tables, and column
grants show it just these columns of them. `search_path` is pinned, with `pg_temp` last, so that nobody's temporary
table can stand in for ours. Times are the database's; `statement_timestamp()`, because an index can be used with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from alembic import op

from isthmus.store.roles import APP, LOOKUP


@dataclass(frozen=True)
class Lookup:
    """One function: signature, result and body (SQL)."""

    signature: str
    returns: str
    body: str


SIGHT: Mapping[str, str] = {
    "tokens": "SELECT (org_id, id, hash, expires_at, revoked_at)",
    "access_keys": "SELECT (org_id, id, account_id, active)",
    "join_tokens": "SELECT (org_id, cluster_id, hash, expires_at, used_at), UPDATE (used_at)",
    "authorities": "SELECT (org_id, cluster_id, trust_domain)",
    "clusters": "SELECT (org_id, id, state, lease_until)",
    "rollouts": "SELECT (org_id, mesh_id, state)",
    "promises": "SELECT (org_id, id, task, due_at, sent_at, lease_until, processed_at), UPDATE (sent_at)",
}

_DUE_AGAIN = "interval '10 s'"
"""What was sent so long ago, and is neither processed nor being worked on, is sent again (platform.md §6)."""

LOOKUPS = (
    Lookup(
        "org_of_token(token_hash bytea)",
        "TABLE (org_id uuid, token_id uuid)",
        """SELECT t.org_id, t.id FROM tokens t WHERE t.hash = token_hash AND t.revoked_at IS NULL
           AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp())""",
    ),
    Lookup(
        "org_of_access_key(key_id text)",
        "TABLE (org_id uuid, account_id text)",
        "SELECT k.org_id, k.account_id FROM access_keys k WHERE k.id = key_id AND k.active",
    ),
    Lookup(  # the row's lock makes racing callers come one by one, and the second finds it used
        "redeem_join_token(token_hash bytea)",
        "TABLE (org_id uuid, cluster_id uuid)",
        """UPDATE join_tokens j SET used_at = statement_timestamp()
           WHERE j.hash = token_hash AND j.used_at IS NULL AND j.expires_at > statement_timestamp()
           RETURNING j.org_id, j.cluster_id""",
    ),
    Lookup(
        "org_of_trust_domain(name text)",
        "TABLE (org_id uuid, cluster_id uuid)",
        "SELECT DISTINCT a.org_id, a.cluster_id FROM authorities a WHERE a.trust_domain = name",
    ),
    Lookup(
        "org_of_cluster(cluster uuid)",
        "TABLE (org_id uuid)",
        "SELECT c.org_id FROM clusters c WHERE c.id = cluster",
    ),
    Lookup(
        "due_promises(most integer)",
        "TABLE (org_id uuid, id bigint, task text)",
        f"""WITH due AS (
                SELECT p.org_id, p.id FROM promises p
                WHERE p.processed_at IS NULL AND p.due_at <= statement_timestamp()
                  AND (p.sent_at IS NULL OR p.sent_at <= statement_timestamp() - {_DUE_AGAIN})
                  AND (p.lease_until IS NULL OR p.lease_until <= statement_timestamp())
                ORDER BY p.due_at LIMIT most FOR UPDATE SKIP LOCKED)
            UPDATE promises p SET sent_at = statement_timestamp() FROM due
            WHERE p.org_id = due.org_id AND p.id = due.id
            RETURNING p.org_id, p.id, p.task""",
    ),
    Lookup(
        "next_due()",
        "timestamptz",
        f"""SELECT min(greatest(p.due_at, p.sent_at + {_DUE_AGAIN}, p.lease_until))
            FROM promises p WHERE p.processed_at IS NULL""",
    ),
    Lookup(
        "due_rollouts()",
        "TABLE (org_id uuid, mesh_id uuid)",
        "SELECT r.org_id, r.mesh_id FROM rollouts r WHERE r.state = 'running'",
    ),
    Lookup(
        "lapsed_leases()",
        "TABLE (org_id uuid, cluster_id uuid)",
        "SELECT c.org_id, c.id FROM clusters c WHERE c.state = 'live' AND c.lease_until < statement_timestamp()",
    ),
)


def build() -> None:
    """Give the role its sight, then make the functions and hand them to it."""
    op.execute(f"GRANT USAGE ON SCHEMA public TO {LOOKUP}")
    for table, grants in SIGHT.items():
        op.execute(f"GRANT {grants} ON {table} TO {LOOKUP}")
        op.execute(f"CREATE POLICY {table}_lookup ON {table} TO {LOOKUP} USING (true) WITH CHECK (true)")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {LOOKUP}")  # to become an owner one must be allowed to create
    for lookup in LOOKUPS:
        _make(lookup)
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP}")


def _make(lookup: Lookup) -> None:
    """Grants come before the new owner, who is no role that a migration acts as."""
    name = lookup.signature
    how = "LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp"
    op.execute(f"CREATE FUNCTION {name} RETURNS {lookup.returns} {how} AS $${lookup.body}$$")
    op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {APP}")
    op.execute(f"ALTER FUNCTION {name} OWNER TO {LOOKUP}")
