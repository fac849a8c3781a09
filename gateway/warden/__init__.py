"""A host's process: it owns the keys, serves its Envoys over a Unix socket, and keeps the last known good."""
