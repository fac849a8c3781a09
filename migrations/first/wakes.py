"""Who is woken by which change: the relay by promises, the hubs by what a cluster is to have.

A notification is a hint, sent when its cause commits and lost with whoever was not listening; everybody who waits for
one also looks by himself every second. Equal notifications of one transaction arrive as one.
"""

from alembic import op

NOBODY = "00000000-0000-0000-0000-000000000000"
"""As a cluster's id: any may be concerned."""

_WAKE = """CREATE FUNCTION wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify(TG_ARGV[0], TG_ARGV[1]); RETURN NULL; END $$"""
_WAKE_CLUSTER = """CREATE FUNCTION wake_cluster() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('cluster', NEW.cluster_id::text); RETURN NULL; END $$"""

_ANY = f"EXECUTE FUNCTION wake('cluster', '{NOBODY}')"
_NEWS = "WHEN (OLD.content IS DISTINCT FROM NEW.content)"
TRIGGERS = (
    # Per statement, so that a cause which finds its promise already made wakes the relay as well.
    "promises_wake AFTER INSERT ON promises FOR EACH STATEMENT EXECUTE FUNCTION wake('promises', '')",
    "deliveries_wake AFTER INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION wake_cluster()",
    f"summaries_new AFTER INSERT ON summaries FOR EACH ROW {_ANY}",
    f"summaries_changed AFTER UPDATE ON summaries FOR EACH ROW {_NEWS} {_ANY}",
    f"authorities_wake AFTER INSERT OR UPDATE OR DELETE ON authorities FOR EACH ROW {_ANY}",
)


def build() -> None:
    """Make the triggers."""
    op.execute(_WAKE)
    op.execute(_WAKE_CLUSTER)
    for trigger in TRIGGERS:
        op.execute(f"CREATE TRIGGER {trigger}")
