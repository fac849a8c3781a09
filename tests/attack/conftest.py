"""Attacks reach the same real app as the contract's tests."""

from tests.contract.api.conftest import api, app, hub, keys, rows, stranger, token

__all__ = ["api", "app", "hub", "keys", "rows", "stranger", "token"]
