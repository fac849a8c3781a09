"""What we remember, in PostgreSQL: stores are bound to their tenant when made, so no query can forget it."""
