"""migrate: bring a database to the newest schema, from nothing if need be.

Alembic is told everything here, so there is no file with addresses or paths in it. Migrations run as `isthmus_owner`,
whoever connects, so that what they make is the owner's.
"""

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import URL, NullPool, create_engine, make_url, text

from isthmus.store.roles import OWNER, alone, make_database, make_roles

SCRIPTS = "migrations:"
"""Alembic's spelling of "the package `migrations`"."""
MAINTENANCE = "postgres"
"""The database that is always there, from which ours is made."""


def upgrade(url: str, *, owner_password: str | None = None, app_password: str | None = None) -> None:
    """Migrate the database that `url` (psycopg's form) names; nothing happens if it is up to date.

    As `isthmus_owner`, roles and database must be there. As anybody else it must be somebody who may make roles and
    databases: both are made where they are missing, and passwords given are set. Not from two threads: Alembic's
    context is one a process; processes wait for each other.
    """
    target = make_url(url)
    if target.username != OWNER:
        _install(target, owner_password, app_password)
    engine = create_engine(target, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"SET ROLE {OWNER}"))
        connection.commit()
        command.upgrade(configuration(connection=connection), "head")


def configuration(**attributes: object) -> Config:
    """Alembic's configuration; `connection` among the attributes is what migrations/env.py works on."""
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    config.attributes.update(attributes)
    return config


def _install(target: URL, owner_password: str | None, app_password: str | None) -> None:
    """Roles and database. CREATE DATABASE cannot run in a transaction."""
    assert target.database, "the URL names no database"
    libpq = target.set(drivername="postgresql", database=MAINTENANCE).render_as_string(hide_password=False)
    with psycopg.connect(libpq, autocommit=True) as admin, alone(admin):
        make_roles(admin, owner_password=owner_password, app_password=app_password)
        make_database(admin, target.database)
