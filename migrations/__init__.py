"""The schema's history, in Alembic: expand, backfill, contract, so that old code runs on the new schema."""
