"""Row-level security: every table of a tenant is walled off, and the look-ups through the wall are a closed list."""

from typing import Any

import psycopg
import pytest

from isthmus.store.roles import APP, LOOKUP, OWNER
from tests.databases import Copy

FUNCTIONS = {
    "due_promises(most integer)",
    "due_rollouts()",
    "lapsed_leases()",
    "next_due()",
    "org_of_access_key(key_id text)",
    "org_of_cluster(cluster uuid)",
    "org_of_token(token_hash bytea)",
    "org_of_trust_domain(name text)",
    "redeem_join_token(token_hash bytea)",
}
"""The closed list. To add one is a decision of its own."""
RETURNED = {"org_id", "cluster_id", "mesh_id", "token_id", "account_id", "id", "task"}
"""Ids and the org; `task` names a function of ours."""


def rows(copy: Copy, query: str, *arguments: str) -> list[tuple[Any, ...]]:
    with copy.connect() as admin:
        return admin.execute(query, arguments).fetchall()


def test_every_table_with_an_org_is_walled_off_for_its_owner_too(copy: Copy) -> None:
    tables = rows(
        copy,
        """SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
             array(SELECT pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p
                   WHERE p.polrelid = c.oid AND p.polroles = '{0}' AND p.polwithcheck IS NOT NULL)
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
           WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
             AND (a.attname = 'org_id' OR (c.relname = 'orgs' AND a.attname = 'id'))""",
    )
    assert len(tables) >= 19
    for name, walled, policies in tables:
        key = "id" if name == "orgs" else "org_id"
        setting = "(NULLIF(current_setting('app.org_id'::text, true), ''::text))::uuid"
        assert (name, walled, policies) == (name, True, [f"({key} = {setting})"])


def test_only_three_tables_of_ours_have_no_org(copy: Copy) -> None:
    without = rows(
        copy,
        """SELECT relname FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
             AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id')
           ORDER BY relname""",
    )
    assert [name for (name,) in without] == ["alembic_version", "beats", "hubs", "orgs", "trust_domain_names"]


def test_every_key_of_a_tenants_table_begins_with_the_org(copy: Copy) -> None:
    late = rows(
        copy,
        """SELECT i.indrelid::regclass::text FROM pg_index i
           JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = i.indkey[0]
           WHERE i.indisprimary AND k.attname <> 'org_id'
             AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attname = 'org_id')""",
    )
    assert late == []


@pytest.mark.parametrize("role", [APP, OWNER, LOOKUP])
def test_no_role_of_ours_can_skip_a_policy(copy: Copy, role: str) -> None:
    powers = rows(
        copy,
        """SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication
            FROM pg_roles WHERE rolname = %s""",
        role,
    )
    assert powers == [(False, False, False, False, False)]


def test_only_the_owner_may_act_as_the_one_who_looks_up_and_it_does_not_inherit_the_sight(copy: Copy) -> None:
    members = rows(
        copy,
        """SELECT member::regrole::text, inherit_option, admin_option FROM pg_auth_members
            WHERE roleid = %s::regrole AND member <> 'postgres'::regrole""",
        LOOKUP,
    )
    assert members == [(OWNER, False, False)]
    assert rows(copy, "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", LOOKUP) == [(False,)]
    assert rows(copy, "SELECT roleid FROM pg_auth_members WHERE member = %s::regrole", APP) == []


def test_the_functions_that_see_beyond_the_wall_are_a_closed_list(copy: Copy) -> None:
    found = rows(
        copy,
        """SELECT p.oid::regprocedure::text, proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
             proowner::regrole::text, proconfig, array(SELECT n FROM unnest(proargnames, proargmodes) AS t(n, m)
             WHERE m = 't') FROM pg_proc p WHERE prosecdef AND pronamespace = 'public'::regnamespace""",
    )
    assert {signature for _, signature, *_ in found} == FUNCTIONS
    for _, _, owner, settings, returned in found:
        assert (owner, settings) == (LOOKUP, ["search_path=public, pg_temp"])
        assert set(returned or []) <= RETURNED


def test_only_the_application_may_call_them(copy: Copy) -> None:
    callers = rows(
        copy,
        """SELECT DISTINCT (aclexplode(proacl)).grantee::regrole::text FROM pg_proc
           WHERE prosecdef AND pronamespace = 'public'::regnamespace""",
    )
    assert {role for (role,) in callers} == {APP, LOOKUP}


def test_the_one_who_looks_up_sees_just_the_columns_it_needs(copy: Copy) -> None:
    sight = rows(
        copy,
        """SELECT table_name, privilege_type, string_agg(column_name::text, ' ' ORDER BY column_name::text)
            FROM information_schema.role_column_grants WHERE grantee = %s GROUP BY 1, 2""",
        LOOKUP,
    )
    assert {(table, right): columns for table, right, columns in sight} == {
        ("access_keys", "SELECT"): "account_id active id org_id",
        ("authorities", "SELECT"): "cluster_id org_id trust_domain",
        ("clusters", "SELECT"): "id lease_until org_id state",
        ("join_tokens", "SELECT"): "cluster_id expires_at hash org_id used_at",
        ("join_tokens", "UPDATE"): "used_at",
        ("promises", "SELECT"): "due_at id lease_until org_id processed_at sent_at task",
        ("promises", "UPDATE"): "sent_at",
        ("rollouts", "SELECT"): "mesh_id org_id state",
        ("tokens", "SELECT"): "expires_at hash id org_id revoked_at",
    }


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE tokens (id int)",
        "ALTER TABLE orgs DISABLE ROW LEVEL SECURITY",
        "DROP POLICY orgs_org ON orgs",
        "SET ROLE isthmus_owner",
        "SET ROLE isthmus_lookup",
        "TRUNCATE orgs",
        "UPDATE resource_versions SET spec = '{}'",
        "DELETE FROM revisions",
        "DELETE FROM promises",
        "UPDATE tokens SET hash = ''",
    ],
)
def test_the_application_has_no_more_rights_than_it_needs(copy: Copy, statement: str) -> None:
    with copy.connect(APP) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement)
