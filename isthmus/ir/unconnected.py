"""unconnected: what of TCP in a definition has no effect: ports that another has, routes that nothing reaches."""

from collections.abc import Iterator

from isthmus.ir import tcp
from isthmus.ir.mesh import Ineffective
from isthmus.ir.said import Said
from isthmus.ir.services import Askable
from isthmus.model.key import Key
from isthmus.model.kinds.gateway_route import GatewayRouteSpec
from isthmus.model.kinds.route import RouteSpec
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.model.kinds.virtual_router import VirtualRouterSpec
from isthmus.values import OUTBOUND_PORT


def of_node(key: Key, spec: VirtualNodeSpec, said: Said) -> Iterator[Ineffective]:
    """Ports of a node's backends on which it cannot reach them."""
    backends = [backend.virtual_service for backend in spec.backends or ()]
    listed = [(i, backend.service) for i, backend in enumerate(backends) if backend is not None]
    askable = Askable(said.services)
    known = {name: tcp.ports(name, said) for _, name in listed if name in askable}
    if not any(known.values()):
        return
    has = {claim.port.port: claim.service for claim in tcp.claims(known)}
    own = {mapping.port for mapping in spec.ports}
    for i, name in listed:
        for port in known.get(name, ()):
            reason = _unreached(port.port, own) if has[port.port] == name else _had(port.port, has[port.port])
            if reason is not None:
                yield Ineffective(key, f"/spec/backends/{i}/virtualService/virtualServiceName", reason)


def _had(port: int, by: str) -> str:
    rest = "proxies that share their host (no `vips` in the instances file) tell TCP services apart by their port"
    return f"connections to port {port} go to virtual service {by}, unless they are for its own address: {rest}"


def _unreached(port: int, own: set[int]) -> str | None:
    """Redirection (App Mesh's image) leads such connections past this; a listener beside the application cannot be."""
    if port in own:
        rest = "unless they are redirected or for the service's own address"
        return f"port {port} is the node's own, so connections to it reach its application, {rest}"
    if port == OUTBOUND_PORT:
        rest = "unless an instance says another, or they are for the service's own address"
        return f"port {port} is where proxies take HTTP, {rest}"
    return None


def of_route(key: Key, spec: RouteSpec, said: Said) -> Iterator[Ineffective]:
    """A tcp route that no connection reaches, and targets that none of its connections can be led to."""
    router = key.parent or ""
    ports = tcp.router_ports(router, said)
    if not ports:
        yield Ineffective(key, "/spec/tcpRoute", f"virtual router {router} has no tcp listener to take connections")
    elif key.name not in {tcp.first(router, port, said) for port in ports}:
        yield Ineffective(key, "/spec/tcpRoute", "another route comes before it and has all connections")
    for pointer, target in spec.targets:
        if tcp.connection_port(target, None, said) is None:
            reason = f"virtual node {target.virtual_node} has no listener that a tcp route can lead to"
            yield Ineffective(key, pointer, reason)


def of_gateway_route(key: Key, spec: GatewayRouteSpec, said: Said) -> Iterator[Ineffective]:
    """A gateway route to a service that speaks tcp only: App Mesh's gateways take requests, not connections."""
    for chosen in spec.chosen:
        service = chosen.route.action.target.virtual_service.virtual_service_name
        port, found = chosen.route.action.target.port, provider(service, said)
        at = f"/spec/{chosen.member}/action/target"
        if found is not None and found.ports and not found.request_ports:
            reason = f"virtual service {service} speaks tcp only, which gateways do not route"
            yield Ineffective(key, f"{at}/virtualService/virtualServiceName", reason)
        elif found is not None and port in found.connection_ports:
            reason = f"port {port} of virtual service {service} speaks tcp, which gateways do not route"
            yield Ineffective(key, f"{at}/port", reason)


def provider(service: str, said: Said) -> VirtualNodeSpec | VirtualRouterSpec | None:
    """What answers for a service."""
    spec = said.services.get(service)
    if spec is None or spec.provider is None:
        return None
    key = spec.provider.key
    return (said.nodes if key.kind == "VirtualNode" else said.routers).get(key.name)
