"""The tables that are no tenant's, and so have no org."""

from alembic import op

from migrations.first.columns import integer, primary, text, time


def create() -> None:
    """Make these tables, parents first."""
    _beats()
    _hubs()
    _trust_domain_names()


def _beats() -> None:
    op.create_table(
        "beats",
        text("name"),
        time("at"),
        primary("name"),
    )


def _hubs() -> None:
    op.create_table(
        "hubs",
        text("name"),
        text("region"),
        text("link"),
        text("enrolment"),
        time("seen_at"),
        primary("name"),
    )


def _trust_domain_names() -> None:
    op.create_table(
        "trust_domain_names",
        text("org_slug"),
        text("cluster"),
        integer("generation"),
        primary("org_slug", "cluster"),
    )
