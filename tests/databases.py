"""Real databases for tests: one PostgreSQL a run (a worker under xdist), migrated once.

A copy of the migrated template takes 25 ms on an idle machine and half a second on a busy one, emptying a small
database less than 10, so tests take turns with one copy. Those that change its schema or need two ask for a copy of
their own. The server keeps nothing on disk for certain and ends with us.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import psycopg
from psycopg import sql

from isthmus.embedded.postgres import Postgres
from isthmus.store.migrate import upgrade
from isthmus.store.roles import APP, OWNER, make_database

ADMIN = "postgres"
TEMPLATE = "isthmus_template"


@dataclass(frozen=True)
class Copy:
    """A migrated database, as each role reaches it. URLs are SQLAlchemy's for psycopg."""

    name: str
    postgres: Postgres

    @property
    def url(self) -> str:
        """As our processes do."""
        return self.postgres.url(self.name, APP)

    @property
    def owner_url(self) -> str:
        """As migrations do."""
        return self.postgres.url(self.name, OWNER)

    @property
    def admin_url(self) -> str:
        """As the server's superuser, whom no policy stops."""
        return self.postgres.url(self.name, ADMIN)

    def connect(self, user: str = ADMIN) -> psycopg.Connection:
        """A plain connection, for what a test looks at behind the store's back."""
        return psycopg.connect(libpq(self.postgres.url(self.name, user)), autocommit=True)


class Server:
    """A PostgreSQL with a migrated template."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres, self._numbers = postgres, count(1)
        self._shared: Copy | None = None
        upgrade(postgres.url(TEMPLATE, ADMIN))

    @contextmanager
    def turn(self) -> Iterator[Copy]:
        """The shared copy, without a row; whoever is still connected at the end is not any more."""
        self._shared = self._shared or self._make(TEMPLATE)
        yield self._shared
        with self._shared.connect() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            for table in ("orgs", "beats", "hubs", "trust_domain_names"):  # what tenants have goes with them
                admin.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))

    @contextmanager
    def copy(self, template: str = TEMPLATE) -> Iterator[Copy]:
        """A database like the template, dropped at the end with whoever is still connected."""
        made = self._make(template)
        try:
            yield made
        finally:
            with self._admin() as admin:
                admin.execute(f"DROP DATABASE IF EXISTS {made.name} WITH (FORCE)")

    @contextmanager
    def empty(self) -> Iterator[Copy]:
        """A database without a schema."""
        with self.copy("template0") as copy:
            yield copy

    def _make(self, template: str) -> Copy:
        name = f"test_{next(self._numbers)}"
        with self._admin() as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}")
            make_database(admin, name)  # a template's own grants are not copied
        return Copy(name, self._postgres)

    def _admin(self) -> psycopg.Connection:
        return psycopg.connect(libpq(self._postgres.url("postgres", ADMIN)), autocommit=True)


def libpq(url: str) -> str:
    """SQLAlchemy's URL as libpq understands it."""
    return url.replace("+psycopg:", ":", 1)


@contextmanager
def server() -> Iterator[Server]:
    """A server of this process's own. Its folder's name is short, because a socket's path has an end."""
    home = Path(mkdtemp(prefix="isthmus-"))
    try:
        with Postgres(home / "data", home / "sock", durable=False) as postgres:
            yield Server(postgres)
    finally:
        shutil.rmtree(home, ignore_errors=True)
