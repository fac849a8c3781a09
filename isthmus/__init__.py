"""Isthmus, a managed multi-cluster service mesh: what a tenant says, what it means in a cluster, what Envoy is told.

This package is the core, and the map reads in the direction of a change; imports only point down it (`make check`):

    cli        the `isthmus` command
    embedded   PostgreSQL, Valkey and our own processes on one machine, for `isthmus up` and `isthmus demo`
    store      what we remember, bound to a tenant
    adapters   what we reach: keys, artifacts, wake-ups
    rollout    which cluster gets what, and when it is taken back
    xds        what Envoy is told
    ir         what it means in one cluster
    policies   one file, one policy
    imports    what other systems' files say of an App Mesh mesh, as definitions of ours
    model      what the tenant says
    pki        who is who
    incremental  what was computed, kept until something it read has changed
    sigv4      who signed a request, as AWS's clients sign them

From `rollout` downwards everything is a function of its arguments: no socket, no clock, no database. The three shells
around it, `api`, `workers` and `gateway`, translate and carry out; they decide nothing.
"""

__version__ = "0.1.0"
