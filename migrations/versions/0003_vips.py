"""0003: an address for each virtual service that stands already; those made from now on get theirs when they are made.

Addresses are found as `isthmus.model.vips` finds them: from the name, in the default range. The column has been there
from the first; the rows' history stays without. The wall between tenants hides all rows from whoever is no tenant, the
owner included, so it is taken down for this one statement, which nobody sees: the table is locked meanwhile.
"""

from alembic import op
from sqlalchemy import text

from isthmus.model.vips import DEFAULT, assigned

revision = "0003"
down_revision = "0002"

_STANDING = "kind = 'VirtualService' AND to_revision IS NULL AND vip IS NULL"


def upgrade() -> None:
    """One transaction."""
    op.execute("ALTER TABLE resource_versions DISABLE ROW LEVEL SECURITY")
    connection = op.get_bind()
    meshes: dict[tuple[object, object], list[str]] = {}
    for org, mesh, key in connection.execute(
        text(f"SELECT org_id, mesh_id, key FROM resource_versions WHERE {_STANDING}")
    ):
        meshes.setdefault((org, mesh), []).append(key)
    give = text(
        "UPDATE resource_versions SET vip = CAST(:vip AS inet)"
        f" WHERE org_id = :org AND mesh_id = :mesh AND key = :key AND {_STANDING}"
    )
    for (org, mesh), names in meshes.items():
        given = assigned(names, DEFAULT)
        connection.execute(give, [{"org": org, "mesh": mesh, "key": n, "vip": str(v)} for n, v in given.items()])
    op.execute("ALTER TABLE resource_versions ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    """The step before has no use for addresses, and does not mind them."""
