"""The few sorts of column and constraint that the first tables are made of."""

from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

NOW = "clock_timestamp()"
_PARENTS = {"orgs": ("id",), "accounts": ("org_id", "id"), "meshes": ("org_id", "id"), "clusters": ("org_id", "id")}


def _column(
    kind: sa.types.TypeEngine[Any], name: str, *more: sa.Identity, default: str | None = None, nullable: bool = False
) -> sa.Column[Any]:
    server_default = None if default is None else sa.text(default)
    return sa.Column(name, kind, *more, server_default=server_default, nullable=nullable)


uuid = partial(_column, sa.Uuid())
text = partial(_column, sa.Text())
big = partial(_column, sa.BigInteger())
integer = partial(_column, sa.Integer())
boolean = partial(_column, sa.Boolean())
binary = partial(_column, sa.LargeBinary())
json = partial(_column, postgresql.JSONB())
time = partial(_column, postgresql.TIMESTAMP(timezone=True))
inet = partial(_column, postgresql.INET())


def primary(*columns: str) -> sa.PrimaryKeyConstraint:
    """A primary key. A tenant's begins with `org_id`: uniqueness is checked beyond row-level security."""
    return sa.PrimaryKeyConstraint(*columns)


def under(parent: str, *columns: str) -> sa.ForeignKeyConstraint:
    """A foreign key that begins with the org; the row goes when its parent does."""
    return sa.ForeignKeyConstraint(columns, [f"{parent}.{key}" for key in _PARENTS[parent]], ondelete="CASCADE")


def index(name: str, table: str, *columns: str, unique: bool = False, where: str | None = None) -> None:
    """An index, of the rows `where` holds if that is given."""
    op.create_index(name, table, columns, unique=unique, postgresql_where=None if where is None else sa.text(where))
