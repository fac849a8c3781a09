"""What the tenant says: App Mesh's kinds and ours, frozen, and what was not said is absent and never a default."""
