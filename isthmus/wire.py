"""wire: the name by which one cluster's proxies ask another's gateways for an instance, in every version spoken.

A version is a grammar of SNI, and a new one is one more entry at the head of `VERSIONS`. Gateways accept the newest
two; callers can say all that are listed, and say the newest that the other cluster accepts: so clusters are upgraded in
any order, and one that is two releases behind goes on being called. Nobody accepts the grammar of a release to come.

What is the same in all of them is the end, `<mesh label>.<version>.<suffix>`, because that is what gateways fence by.
Ids in it are lower-case base32: Envoy lower-cases SNI, so `Foo` and `foo` would be one (design-notes 13).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, Self

from isthmus.values import ANY, BASE_DOMAIN


class Version(NamedTuple):
    """`head`: what stands before the mesh's label. `read`: slot, port and service of that; ValueError if it is none."""

    name: str
    head: Callable[["Sni"], str]
    read: Callable[[Sequence[str]], tuple[str, int, str]]

    def under(self, label: str, suffix: str) -> str:
        """What all names of one mesh end with."""
        return f"{label}.{self.name}.{suffix}"


def _head(asked: "Sni") -> str:
    return f"{asked.slot}.{asked.port}.{asked.service}"


def _read(head: Sequence[str]) -> tuple[str, int, str]:
    slot, port, service = head  # ValueError for any other number
    if not (port.isascii() and port.isdigit()):
        raise ValueError(f"{port!r} is no port")
    return slot, int(port), service


V1 = Version("v1", _head, _read)
"""`<slot|any>.<port>.<service id>.<mesh label>.v1.<suffix>` (design §9)."""

VERSIONS: Sequence[Version] = (V1,)
"""All that can be said, newest first. One is dropped when no cluster can be left that accepts nothing newer."""

FIRST = (V1.name,)
"""What a cluster accepts that does not say."""


class Sni(NamedTuple):
    """Which instance (or `values.ANY`) is asked for, at which port of which node of which mesh."""

    slot: str
    port: int
    service: str
    mesh: str

    def text(self, suffix: str = BASE_DOMAIN, version: Version = VERSIONS[0]) -> str:
        """The name as it is sent in the TLS ClientHello."""
        return f"{version.head(self)}.{version.under(self.mesh, suffix)}"

    @classmethod
    def parse(cls, text: str, suffix: str | None = BASE_DOMAIN, versions: Sequence[Version] = VERSIONS) -> Self:
        """The inverse of `text`, in any version; ValueError for anything else. `suffix` None: whatever it is."""
        for version in versions:
            before, _, end = text.partition(f".{version.name}.")
            *head, mesh = before.split(".")
            if end and suffix in (end, None):
                with suppress(ValueError):
                    return cls(*version.read(head), mesh)
        raise ValueError(f"{text!r} is no SNI of a mesh")


def of_any(text: str, versions: Sequence[Version] = VERSIONS) -> str:
    """What asks for whatever instance of the node that a name asks for one of, in the same version.

    ValueError if it is no name of a mesh.
    """
    for version in versions:
        suffix = text.partition(f".{version.name}.")[2]
        with suppress(ValueError):
            return Sni.parse(text, suffix, (version,))._replace(slot=ANY).text(suffix, version)
    raise ValueError(f"{text!r} is no SNI of a mesh")


def accepted(versions: Sequence[Version] = VERSIONS) -> Sequence[Version]:
    """What gateways here let in: n and n-1."""
    return versions[:2]


def spoken(accepts: Collection[str] = FIRST, versions: Sequence[Version] = VERSIONS) -> Version:
    """In which version a cluster that accepts these is asked: the newest that both know.

    If none is shared, the oldest that we know: its gateways refuse that, so it counts as one that cannot be reached.
    """
    return next((version for version in versions if version.name in accepts), versions[-1])


def wildcards(label: str, suffix: str, versions: Sequence[Version] = VERSIONS) -> Iterator[str]:
    """The `server_names` patterns that fence a gateway's chain to one mesh and the versions that are accepted.

    Envoy matches a leading `*.` against any number of labels, so these admit exactly the names under the mesh's label.
    """
    return (f"*.{version.under(label, suffix)}" for version in accepted(versions))
