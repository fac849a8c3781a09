"""routing: the rules that routes and gateway routes share: one type each, and ports that lead somewhere.

Ports and protocols: appmesh.md §3.2. A listener's port must be said where there are several; the route's type must be
the protocol of a listener it is tried on.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from isthmus.errors import Violation
from isthmus.model.listening import PortMapping, VirtualGatewayPortMapping
from isthmus.model.structure import Structure, members

Ports = Sequence[PortMapping | VirtualGatewayPortMapping]


class Chosen(NamedTuple):
    """Which of its types a route is, and the route of that type (the spec class knows which class it has)."""

    protocol: str
    member: str
    route: Any


class RouteTypes(Structure):
    """A spec that is of exactly one route type and has further members, so it is no union."""

    types: ClassVar[Mapping[str, str]]
    """Python name of the member → the protocol it is for."""

    @cached_property
    def chosen(self) -> tuple[Chosen, ...]:
        """The types given; one, in every spec that has passed its check."""
        said = (
            (alias, self.types[name], getattr(self, name)) for name, alias in members(type(self)) if name in self.types
        )
        return tuple(Chosen(protocol, alias, route) for alias, protocol, route in said if route is not None)

    def violations(self) -> Iterator[Violation]:
        if len(self.chosen) != 1:
            names = " or ".join(alias for name, alias in members(type(self)) if name in self.types)
            yield Violation("", "exactly_one_member", f"must have exactly one of {names}")


def entered(pointer: str, protocol: str, port: int | None, ports: Ports, where: str) -> Iterator[Violation]:
    """The rules between a route at `pointer`, of `protocol` and with this port match, and the listeners it is tried on.

    Without any listener there is nothing to contradict: the route waits for one.
    """
    tried = [mapping for mapping in ports if port in (None, mapping.port)]
    if ports and not tried:
        yield Violation(f"{pointer}/match/port", "unknown_port", f"{where} has no listener on port {port}")
    if port is None and len(ports) > 1:
        detail = f"must define a port match criteria if {where} has multiple listeners"
        yield Violation(f"{pointer}/match/port", "missing", detail)
    if tried and all(mapping.protocol != protocol for mapping in tried):
        said = ", ".join(sorted({mapping.protocol for mapping in tried}))
        yield Violation(pointer, "protocol_mismatch", f"is for {protocol}, but {where} listens for {said}")


def aimed(pointer: str, port: int | None, ports: Ports, where: str) -> Iterator[Violation]:
    """The rules between a target at `pointer` with this port and the listeners of what it names."""
    if port is None and len(ports) > 1:
        yield Violation(f"{pointer}/port", "missing", f"must say the port, because {where} has several listeners")
    if port is not None and all(mapping.port != port for mapping in ports):
        yield Violation(f"{pointer}/port", "unknown_port", f"{where} has no listener on port {port}")
