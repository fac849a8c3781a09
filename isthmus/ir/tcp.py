"""tcp: to which nodes connections to a port of a virtual service go.

Connections name no host and no path, so the first tcp route of a port by priority has all of them. A port of a router
that no tcp route is for takes no connections, rather than taking and closing them. Where a proxy cannot bind services'
own addresses (`isthmus.ir.addresses`), a caller tells them apart by the port alone, as it did in App Mesh (appmesh.md
§5, #195): of two with one port, the first by name has it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from isthmus.ir.mesh import Target, TcpPort
from isthmus.ir.nodes import milliseconds
from isthmus.ir.said import Said
from isthmus.ir.targets import priority, target_port
from isthmus.model.kinds.route import RouteSpec, TcpRoute, WeightedTarget


class Claim(NamedTuple):
    """A port of a caller, and the service that has it there."""

    service: str
    port: TcpPort


def ports(name: str, said: Said) -> tuple[TcpPort, ...]:
    """The ports on which a virtual service takes connections; none without a provider that speaks tcp."""
    provider = said.services[name].provider
    if provider is None:
        return ()
    if provider.virtual_node is not None:
        node = provider.virtual_node.virtual_node_name
        found = said.nodes.get(node)
        return tuple(TcpPort(p, None, (Target(node, p, 1),)) for p in (found.connection_ports if found else ()))
    assert provider.virtual_router is not None, "a union has exactly one member"
    router = provider.virtual_router.virtual_router_name
    return tuple(_routed(router, port, said) for port in router_ports(router, said) if first(router, port, said))


def router_ports(router: str, said: Said) -> tuple[int, ...]:
    """The ports on which a router's tcp routes are tried, sorted."""
    spec = said.routers.get(router)
    return tuple(sorted(spec.connection_ports)) if spec else ()


def first(router: str, port: int, said: Said) -> str | None:
    """The tcp route that has all connections of a port of a router; of equal priorities, one that names the port."""
    found = (
        (_order(name, spec, route), name) for name, spec, route in tcp_routes(router, said) if _is_for(route, port)
    )
    return min(found, default=(None, None))[1]


def tcp_routes(router: str, said: Said) -> Iterator[tuple[str, RouteSpec, TcpRoute]]:
    """The tcp routes of a router, by name."""
    for name, spec in sorted((said.routes.get(router) or {}).items()):
        if isinstance(spec.route, TcpRoute):
            yield name, spec, spec.route


def connection_port(target: WeightedTarget, port: int | None, said: Said) -> int | None:
    """The port of its node that a target of a tcp route means."""
    node = said.nodes.get(target.virtual_node)
    return target_port(target, port, node.connection_ports if node else ())


def claims(services: Mapping[str, Sequence[TcpPort]]) -> tuple[Claim, ...]:
    """Which of the services that one caller knows, each with its ports, has which port; by port."""
    taken: dict[int, Claim] = {}
    for name in sorted(services):
        for port in services[name]:
            taken.setdefault(port.port, Claim(name, port))
    return tuple(taken[port] for port in sorted(taken))


def called(ports: Iterable[TcpPort]) -> tuple[tuple[str, int], ...]:
    """Every (node, port) that connections are led to, sorted, those of weight 0 too."""
    return tuple(sorted({(t.node, t.port) for port in ports for t in port.targets}))


def _is_for(route: TcpRoute, port: int) -> bool:
    return route.match is None or route.match.port in (None, port)


def _order(name: str, spec: RouteSpec, route: TcpRoute) -> tuple[int, bool, str]:
    return priority(spec), route.match is None or route.match.port is None, name


def _routed(router: str, port: int, said: Said) -> TcpPort:
    name = first(router, port, said)
    route = said.routes[router][name or ""].route
    assert isinstance(route, TcpRoute), "only tcp routes are listed"
    targets = route.action.weighted_targets
    aimed = ((target, connection_port(target, port, said)) for target in targets)
    return TcpPort(
        port=port,
        of=(router, name or ""),
        targets=tuple(Target(t.virtual_node, p, t.weight) for t, p in aimed if p is not None),
        idle=None if route.timeout is None else milliseconds(route.timeout.idle),
    )
