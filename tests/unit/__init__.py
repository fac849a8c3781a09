"""Pure functions only: no sockets in here."""
