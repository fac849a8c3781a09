"""Decisions of a rollout, as tables."""
