"""bare: at which instances a backend is called in plaintext, by name, so that people can be told."""

from collections.abc import Mapping, Sequence

from isthmus.hostport import joined
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import LocalInstance, in_plaintext
from isthmus.xds.snapshot import Resource

Bare = Mapping[str, frozenset[str]]
"""Backend → the instances, or the addresses of what is none, that are called in plaintext. Never empty ones."""


def bare(directory: Directory, local: Sequence[LocalInstance], endpoints: Mapping[str, Resource]) -> Bare:
    """Of all backends of a mesh."""
    found = {name: at for name in directory.backends if (at := in_plaintext(endpoints[name]))}
    names = {(each.node, each.address): each.name for each in local} if found else {}
    return {
        backend: frozenset(
            names.get((directory.backends[backend].node, host)) or joined(host, port) for host, port in at
        )
        for backend, at in found.items()
    }
