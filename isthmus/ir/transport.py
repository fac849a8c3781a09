"""transport: the terms of App Mesh's own TLS: certificates, what each side demands of the other, and how calls travel.

Plain values, without the API's types; `isthmus.ir.tls` makes them of what a definition says.
"""

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Who keeps a certificate or roots: a file beside the proxy, the tenant's own SDS, or the control plane."""

    FILE = "file"
    SDS = "sds"
    MANAGED = "managed"


@dataclass(frozen=True, slots=True)
class Material:
    """A certificate with its key, or roots. `names`: paths (chain, key), a secret's name, or ARNs."""

    source: Source
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """What the other side's certificate must be: signed by `trust` (anybody, if None), for one of `names`.

    Nothing is said of names if there are none. `wild`: a name may be a pattern, `*.example`.
    """

    trust: Material | None
    names: tuple[str, ...] = ()
    wild: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """TLS of a listener. `certificates`: the first is shown where none fits the name that a client asks for.

    `clients`: what they must show; None if nothing. `plaintext`: whether it is taken beside TLS.
    """

    certificates: tuple[Material, ...]
    clients: Demand | None
    plaintext: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """What a caller demands of its backends; no `ports` are all ports."""

    enforced: bool
    ports: tuple[int, ...]
    certificate: Material | None
    server: Demand

    def covers(self, port: int) -> bool:
        """Whether it is for calls to a port."""
        return not self.ports or port in self.ports


@dataclass(frozen=True, slots=True)
class Calling:
    """Calls to one port that travel in App Mesh's TLS. `name`: asked for where there is no slot; may be empty.

    `proxied`: those to instances with a proxy of ours; `asked`: whether the port's own TLS demands a certificate there.
    `bare`: those to all others, which are then never in plaintext.
    """

    certificate: Material | None
    server: Demand
    name: str
    proxied: bool
    asked: bool
    bare: bool
