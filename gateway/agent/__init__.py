"""A cluster's process: its link to the hub, its discovery, its intermediate authority, its wardens' configuration."""
