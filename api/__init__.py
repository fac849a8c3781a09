"""Northbound: HTTP for tenants. A shell: it parses, asks the store, and translates errors."""
