"""resolved: what a node's own service discovery says, and when that counts: only while nobody has bound instances.

A name in a private zone means something else in another VPC, and what is behind it carries no identity; so instances
that bindings name, here or in another cluster, go before it, however well they are (design-notes 12). Only where there
are none at all do its addresses answer, as they did in App Mesh.
"""

from typing import Literal, NamedTuple

from isthmus.ir.found import CloudMap, Discovery, Dns


class Address(NamedTuple):
    """An IP address, and whether what is behind it says that it is well. Its port is the listener's own."""

    ip: str
    health: Literal["healthy", "unhealthy"] = "healthy"


class Resolved(NamedTuple):
    """The addresses of a node, and the name that they were found by (TLS asks for it)."""

    hostname: str
    addresses: tuple[Address, ...]


def hostname(discovery: Discovery) -> str:
    """The name that a certificate of such an instance is expected to have (appmesh.md §3.4)."""
    match discovery:
        case Dns(name):
            return name
        case CloudMap(namespace, service):
            return f"{service}.{namespace}"
