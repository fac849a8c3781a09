"""The native interface under `/v1`: the same kinds and specs as App Mesh's, and what App Mesh lacks."""
