"""The database's roles: who owns, who runs, and who may look something up before the org is known.

`isthmus_owner` owns every table and migrates. `isthmus_app` is what each of our processes is: it can neither skip a
policy nor change the schema. `isthmus_lookup` cannot log in and owns nothing but the closed list of SECURITY DEFINER
functions (migrations/first/lookups.py); the owner may act as it to make them, but does not inherit its sight: with
FORCE the owner, too, is blind without an org. None of them has SUPERUSER or BYPASSRLS (design §6).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

OWNER, APP, LOOKUP = "isthmus_owner", "isthmus_app", "isthmus_lookup"
_LOCK = 0x157_0001


@contextmanager
def alone(admin: psycopg.Connection) -> Iterator[None]:
    """One installer of a server at a time: roles and databases are all of it's, and two processes may start at once."""
    admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        yield
    finally:
        admin.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def make_roles(admin: psycopg.Connection, *, owner_password: str | None, app_password: str | None) -> None:
    """Make what is missing; RuntimeError if a role that is there could skip policies. `admin` may create roles.

    A password of None leaves the role's password as it is: none is needed where the server trusts the socket.
    """
    for role, login in ((OWNER, "LOGIN"), (APP, "LOGIN"), (LOOKUP, "NOLOGIN")):
        _make(admin, role, login)
    admin.execute(f"GRANT {LOOKUP} TO {OWNER} WITH INHERIT FALSE, SET TRUE")
    if not _one(admin, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        admin.execute(f"GRANT {OWNER} TO current_user WITH INHERIT FALSE, SET TRUE")
    for role, password in ((OWNER, owner_password), (APP, app_password)):
        if password is not None:
            _set_password(admin, role, password)


def make_database(admin: psycopg.Connection, name: str) -> None:
    """Make the database, or make it the owner's if somebody else made it: then its schema is the owner's as well."""
    database = sql.Identifier(name)
    owner = _one(admin, "SELECT datdba::regrole::text FROM pg_database WHERE datname = %s", name)
    if owner is None:
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(OWNER)))
    elif owner != OWNER:
        admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(OWNER)))
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(APP)))


def _make(admin: psycopg.Connection, role: str, login: str) -> None:
    powers = _one(admin, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %s", role)
    if powers is None:
        admin.execute(f"CREATE ROLE {role} {login} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE")
    if powers:
        raise RuntimeError(f"the role {role} has SUPERUSER or BYPASSRLS: it would see every tenant")


def _set_password(admin: psycopg.Connection, role: str, password: str) -> None:
    """As a SCRAM verifier made here, so that no server log ever holds the password."""
    verifier = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))


def _one(admin: psycopg.Connection, query: str, *arguments: str) -> object:
    row = admin.execute(query, arguments).fetchone()
    return None if row is None else row[0]
