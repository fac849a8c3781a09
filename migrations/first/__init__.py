"""What migration 0001 makes, a file each: tables, walls between tenants, look-ups before the org is known, wake-ups.

Frozen: `isthmus.store.tables` says what the tables are now, and a test compares it with the sum of all migrations.
"""
