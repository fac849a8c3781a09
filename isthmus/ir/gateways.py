"""gateways: which requests from outside go to which virtual service, and what is rewritten on the way in."""

from collections.abc import Iterator, Mapping

from isthmus.ir import tls
from isthmus.ir.access_logs import access_log
from isthmus.ir.listener_certificates import place
from isthmus.ir.matches import of_gateway_route, specificity
from isthmus.ir.mesh import Compared, Gateway, GatewayListener, GatewayRoute, Match, Protocol
from isthmus.ir.nodes import pool
from isthmus.ir.said import Said
from isthmus.model.kinds.gateway_route import GatewayRouteSpec, HttpGatewayRoute, HttpGatewayRouteRewrite
from isthmus.model.kinds.virtual_gateway import VirtualGatewayListener


def gateway(name: str, said: Said) -> Gateway:
    """A virtual gateway with the routes of each of its ports in the order in which they are tried."""
    routes = said.gateway_routes.get(name) or {}
    ordered = [route for route, _ in sorted(routes.items(), key=_order)]
    listeners = tuple(
        _listener(name, listener, ordered, routes, _further(name, listener, said))
        for listener in said.gateways[name].listeners
    )
    services = tuple(sorted({r.service for listener in listeners for r in listener.routes}))
    spec = said.gateways[name]
    return Gateway(name, listeners, services, access_log(spec.logging), tls.default_policy(spec.backend_defaults))


def _further(name: str, listener: VirtualGatewayListener, said: Said) -> tuple[str, ...]:
    return said.certificates.get(place("VirtualGateway", name, listener.port_mapping.port)) or ()


def _listener(
    name: str,
    said: VirtualGatewayListener,
    ordered: list[str],
    specs: Mapping[str, GatewayRouteSpec],
    further: tuple[str, ...],
) -> GatewayListener:
    mapping = said.port_mapping
    routes = tuple(_routes(name, ordered, specs, mapping.port))
    shown = tls.shown(said.tls, further, permissive=True)
    return GatewayListener(mapping.port, Protocol(mapping.protocol), routes, pool(said.connection_pool), shown)


def _order(named: tuple[str, GatewayRouteSpec]) -> tuple[object, ...]:
    """By priority, those that say none first: so App Mesh's own gateway had them (appmesh.md §3.1, inferred)."""
    name, spec = named
    return (spec.priority is not None, spec.priority or 0, *specificity(of_gateway_route(spec.route.match)), name)


def _routes(
    gateway_name: str, ordered: list[str], specs: Mapping[str, GatewayRouteSpec], port: int
) -> Iterator[GatewayRoute]:
    for name in ordered:
        route = specs[name].route
        if route.match.port in (None, port):
            match, rewrite = of_gateway_route(route.match), route.action.rewrite
            keeps = rewrite is not None and rewrite.hostname is not None
            keeps = keeps and rewrite.hostname.default_target_hostname == "DISABLED"  # type: ignore[union-attr]
            target = route.action.target
            path = _path(match, route.action.rewrite) if isinstance(route, HttpGatewayRoute) else None
            service = target.virtual_service.virtual_service_name
            yield GatewayRoute((gateway_name, name), match, service, target.port, not keeps, path)


def _path(match: Match, rewrite: HttpGatewayRouteRewrite | None) -> str | None:
    """What replaces the matched path: a matched prefix becomes `/` unless told otherwise; a whole path stays."""
    if match.how is not Compared.PREFIX:
        return rewrite.path.exact if rewrite is not None and rewrite.path is not None else None
    prefix = rewrite.prefix if rewrite is not None else None
    if prefix is not None and prefix.value is not None:
        return prefix.value
    return None if prefix is not None and prefix.default_prefix == "DISABLED" else "/"
