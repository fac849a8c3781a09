"""VirtualRouter: the ports on which a service's routes are tried."""

from collections.abc import Iterator
from functools import cached_property

from isthmus.errors import Violation
from isthmus.model.kind import ResourceKind
from isthmus.model.listening import Listens, PortMapping, repeated_ports
from isthmus.model.structure import Many, Maybe, Structure


class VirtualRouterListener(Structure):
    """One port of the router."""

    port_mapping: PortMapping


class VirtualRouterSpec(Listens):
    """App Mesh's VirtualRouterSpec."""

    listeners: Maybe[Many[VirtualRouterListener]] = None

    @cached_property
    def ports(self) -> tuple[PortMapping, ...]:
        """Where the router listens."""
        return tuple(listener.port_mapping for listener in self.listeners or ())

    def violations(self) -> Iterator[Violation]:
        """An empty list was refused by App Mesh itself, though its model allows it (appmesh.md §2.6)."""
        if self.listeners == ():
            yield Violation("/listeners", "too_short", "must have at least 1 items")
        yield from repeated_ports([mapping.port for mapping in self.ports])


KIND = ResourceKind("VirtualRouter", VirtualRouterSpec, "virtual-routers")
