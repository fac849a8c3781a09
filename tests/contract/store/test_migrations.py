"""The migrations make exactly what the models say, from nothing and by whoever may."""

import subprocess
import sys
from uuid import UUID

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DatabaseError

from isthmus.store.migrate import configuration, upgrade
from isthmus.store.roles import APP, OWNER
from isthmus.store.tables import Base
from tests.databases import Copy, Server


def test_the_models_and_the_migrated_schema_are_the_same(copy: Copy) -> None:
    engine = create_engine(copy.admin_url, poolclass=NullPool)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []


def test_everything_belongs_to_the_owner_and_nothing_to_the_application(copy: Copy) -> None:
    with copy.connect() as admin:
        owners = admin.execute(
            "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchall()
    assert owners == [(OWNER,)]


def test_a_second_migration_changes_nothing(copy: Copy) -> None:
    upgrade(copy.owner_url)
    upgrade(copy.admin_url)


def test_two_migrators_at_once_make_one_schema(postgres_server: Server) -> None:
    with postgres_server.empty() as empty:
        with postgres_server.copy() as elsewhere, elsewhere.connect() as admin:
            admin.execute(f"DROP DATABASE {empty.name}")  # so they race for that, too
        program = f"from isthmus.store.migrate import upgrade; upgrade({empty.admin_url!r})"
        migrators = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
        assert [migrator.wait(timeout=60) for migrator in migrators] == [0, 0, 0]
        with empty.connect() as admin:
            assert admin.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest(),)]


def newest() -> str | None:
    return ScriptDirectory.from_config(configuration()).get_current_head()


def test_down_and_up_again_is_clean(postgres_server: Server) -> None:
    with postgres_server.copy() as copy:
        engine = create_engine(copy.owner_url, poolclass=NullPool)
        with engine.connect() as connection:
            command.downgrade(configuration(connection=connection), "base")
        with copy.connect() as admin:
            left = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            assert admin.execute(left).fetchall() == [("alembic_version",)]
            functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            assert admin.execute(functions).fetchall() == []
        upgrade(copy.owner_url)


def test_somebody_who_may_make_roles_and_databases_can_install_without_being_superuser(
    postgres_server: Server,
) -> None:
    with postgres_server.copy() as copy, copy.connect() as admin:
        admin.execute("CREATE ROLE installer LOGIN CREATEROLE CREATEDB")
        for role in (OWNER, APP, "isthmus_lookup"):  # as if it had made them, as on a managed server
            admin.execute(f"GRANT {role} TO installer WITH ADMIN TRUE")
        try:
            upgrade(copy.postgres.url("installed", "installer"))
            with psycopg.connect(copy.postgres.url("installed", APP).replace("+psycopg", "")) as app:
                assert app.execute("SELECT count(*) FROM orgs").fetchone() == (0,)
        finally:
            admin.execute("DROP DATABASE IF EXISTS installed WITH (FORCE)")
            admin.execute("REVOKE isthmus_owner, isthmus_app, isthmus_lookup FROM installer CASCADE")
            admin.execute("DROP ROLE installer")


def test_a_role_that_could_skip_policies_is_refused(copy: Copy) -> None:
    with copy.connect() as admin:
        admin.execute(f"ALTER ROLE {APP} BYPASSRLS")
        try:
            with pytest.raises(RuntimeError, match="would see every tenant"):
                upgrade(copy.admin_url)
        finally:
            admin.execute(f"ALTER ROLE {APP} NOBYPASSRLS")


def test_passwords_are_set_where_they_are_given(copy: Copy) -> None:
    upgrade(copy.admin_url, app_password="it's secret")
    with copy.connect() as admin:
        stored = admin.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [APP]).fetchone()
        assert stored is not None
        assert stored[0].startswith("SCRAM-SHA-256$")
        admin.execute(f"ALTER ROLE {APP} PASSWORD NULL")


def test_a_migration_gives_up_rather_than_make_a_table_wait(copy: Copy) -> None:
    engine = create_engine(copy.owner_url, poolclass=NullPool)
    with copy.connect() as holder, engine.connect() as connection:
        holder.autocommit = False
        holder.execute("LOCK TABLE beats IN ACCESS SHARE MODE")
        with pytest.raises(DatabaseError, match="lock timeout"):
            command.downgrade(configuration(connection=connection), "base")
        holder.rollback()


def test_the_owner_sees_no_tenant_either(copy: Copy, org: UUID) -> None:
    engine = create_engine(copy.owner_url, poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM orgs")) == 0
