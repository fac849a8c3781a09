"""discovery: what runs in this cluster, as its plug-ins find it.

A plug-in yields the whole of what it sees whenever that changes. One that loses sight (a broken file, an API that does
not answer) yields its last result marked `stale`: "I lost sight" is never read as "there is nothing" (design §7).
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Protocol

from isthmus.hostport import joined
from isthmus.values import DNS_PORT


class Health(StrEnum):
    """Whether an instance is to get requests: unhealthy ones stay listed, so that preference spills over (note 23)."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of something. `ports`: listener port → the port of the proxy before it; none, no proxy there.

    `also`: its address of the other family, if it has one.
    """

    name: str
    host: str
    address: str
    ports: Mapping[int, int] = field(default_factory=dict)
    zone: str = ""
    health: Health = Health.HEALTHY
    outbound: int | None = None
    """The port where its proxy listens for what the application sends; None, not said."""
    vips: bool = False
    """Whether its proxy has its host for itself, and binds services' own addresses there (`isthmus.xds.own_host`)."""
    low_ports: bool = False
    """Whether it may bind ports below 1024, too."""
    dns: int = DNS_PORT
    """The port where it answers for names."""
    dns_servers: tuple[tuple[str, int], ...] = ()
    """Whom it asks for other names, instead of the host's own servers."""
    also: str = ""
    grpc: bool = False
    """Whether its application calls by gRPC's own xDS client, from its host's warden, without a proxy."""

    @property
    def proxied(self) -> bool:
        """Whether an Envoy stands before it: it was given a port to listen on, inbound or outbound."""
        return bool(self.ports) or self.outbound is not None


@dataclass(frozen=True, slots=True)
class Gateway:
    """An east-west gateway. `public`: addresses (host:port) for other clusters, where they differ from its own."""

    name: str
    host: str
    address: str
    port: int
    public: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where other clusters reach it: nowhere, if it listens at every address and says none."""
        if self.public or ip_address(self.address).is_unspecified:
            return self.public
        return (joined(self.address, self.port),)


@dataclass(frozen=True, slots=True)
class Found:
    """All that a plug-in sees, by name."""

    instances: tuple[Instance, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    stale: bool = False


class Discovery(Protocol):
    """A way to find instances."""

    def watch(self) -> AsyncIterator[Found]:
        """The whole, at once and after each change; never ends."""
        ...
