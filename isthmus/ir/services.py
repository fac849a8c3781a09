"""services: which routes a virtual service's callers meet, under each port, and in which order.

Where a router (or node) has several ports, the port that follows the name decides, as the original destination's port
did in App Mesh; the bare name means port 80 if there is one, else the first. Where there is one, any port will do.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from isthmus.incremental import Lookup
from isthmus.ir import tcp
from isthmus.ir.matches import of_route, specificity
from isthmus.ir.mesh import Match, Route, Service, Target
from isthmus.ir.nodes import REQUEST_TIMEOUT, milliseconds, request_timeout
from isthmus.ir.retries import BY_DEFAULT, retry
from isthmus.ir.said import Said
from isthmus.ir.targets import priority, target_port
from isthmus.model.kinds.route import GrpcRoute, HttpRoute, TcpRoute, WeightedTarget
from isthmus.model.kinds.virtual_service import VirtualServiceSpec

WEB = 80
"""The port that a bare name stands for (RFC 9110 §4.2.1)."""


@lru_cache(maxsize=2**14)
def askable(name: str) -> bool:
    """Whether a request can name a service: Envoy takes other names for patterns or refuses them.

    A dot at the end is taken off every host that is asked for.
    """
    return name.isprintable() and not name.endswith(".") and not any(c.isspace() or c in "*/" for c in name)


class Askable:
    """The services that a request can name; the others are in nobody's table, for Envoy would refuse all of it."""

    def __init__(self, services: Lookup[VirtualServiceSpec]) -> None:
        self._services = services

    def __getitem__(self, name: str, /) -> VirtualServiceSpec:
        if not askable(name):
            raise KeyError(name)
        return self._services[name]

    def __contains__(self, name: object, /) -> bool:
        return isinstance(name, str) and askable(name) and name in self._services

    def get(self, name: str, /) -> VirtualServiceSpec | None:
        """None if there is none."""
        return self._services.get(name) if askable(name) else None


def service(name: str, said: Said) -> Service:
    """A virtual service; without a provider, or with one that only speaks tcp, it has no routes."""
    asked, connected = _for_requests(name, said), tcp.ports(name, said)
    return replace(asked, tcp=connected) if connected else asked


def _for_requests(name: str, said: Said) -> Service:
    provider = said.services[name].provider
    if provider is None:
        return Service(name)
    if provider.virtual_node is not None:
        node = provider.virtual_node.virtual_node_name
        found = said.nodes.get(node)
        return _by_port(name, found.request_ports if found else (), lambda port: _provided(node, port))
    assert provider.virtual_router is not None, "a union has exactly one member"
    return _by_router(name, provider.virtual_router.virtual_router_name, said)


def _by_port(name: str, ports: Sequence[int], routes: Callable[[int], tuple[Route, ...]]) -> Service:
    if not ports:
        return Service(name)
    bare = routes(WEB if WEB in ports else ports[0])
    return Service(name, bare, tuple((port, routes(port)) for port in ports) if len(ports) > 1 else (), tuple(ports))


def _provided(node: str, port: int) -> tuple[Route, ...]:
    return (Route(None, Match(), (Target(node, port, 1),), REQUEST_TIMEOUT, retry=BY_DEFAULT),)


def _by_router(name: str, router: str, said: Said) -> Service:
    listed = sorted(_listed(router, said), key=lambda each: each.order)
    spec = said.routers.get(router)
    if spec is None or not spec.ports:
        return Service(name, tuple(_routes(listed, None, said)))
    return _by_port(name, spec.request_ports, lambda port: tuple(_routes(listed, port, said)))


class _Listed(NamedTuple):
    """A route of a router, what it matches, and where it stands among the others."""

    of: tuple[str, str]
    route: HttpRoute | GrpcRoute
    match: Match
    order: tuple[object, ...]


def _listed(router: str, said: Said) -> Iterator[_Listed]:
    """The routes for requests; those for connections are `isthmus.ir.tcp`'s."""
    for name, spec in (said.routes.get(router) or {}).items():
        route = spec.route
        if not isinstance(route, TcpRoute):
            match = of_route(route.match)
            yield _Listed((router, name), route, match, (priority(spec), *specificity(match), name))


def _routes(listed: Iterable[_Listed], port: int | None, said: Said) -> Iterator[Route]:
    """The routes that are tried on a port of the router, any if None."""
    for of, route, match, _ in listed:
        if port is None or route.match.port in (None, port):
            yield Route(
                of=of,
                match=match,
                targets=tuple(_targets(route.action.weighted_targets, port, said)),
                timeout=request_timeout(route.timeout),
                idle=None if route.timeout is None else milliseconds(route.timeout.idle),
                retry=retry(route.retry_policy) if route.retry_policy is not None else BY_DEFAULT,
            )


def _targets(targets: Sequence[WeightedTarget], port: int | None, said: Said) -> Iterator[Target]:
    for target in targets:
        aimed = request_port(target, port, said)
        if aimed is not None:
            yield Target(target.virtual_node, aimed, target.weight)


def request_port(target: WeightedTarget, port: int | None, said: Said) -> int | None:
    """The port of its node that a target of a route for requests means."""
    node = said.nodes.get(target.virtual_node)
    return target_port(target, port, node.request_ports if node else ())


def called(routes: Sequence[Route]) -> tuple[tuple[str, int], ...]:
    """Every (node, port) that routes lead to, sorted, those of weight 0 too."""
    return tuple(sorted({(t.node, t.port) for route in routes for t in route.targets}))
