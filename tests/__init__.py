"""Tests that read as tables and sentences, and end at the real PostgreSQL, Valkey and Envoy."""
