"""Southbound: the hub in a region, the agent in a cluster, the warden on a host, and what they share."""
