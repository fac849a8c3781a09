"""unconnected: what of TCP in a definition has no effect: ports that another has, routes that nothing reaches."""

from collections.abc import Iterator

from isthmus.ir import tcp
from isthmus.ir.mesh import Ineffective
from isthmus.ir.said import Said
from isthmus.ir.services import askable
from isthmus.model.key import Key
from isthmus.values import OUTBOUND_PORT


def found(said: Said) -> Iterator[Ineffective]:
    """All of it."""
    for node in said.nodes:
        yield from of_node(node, said)
    for router in said.routes:
        yield from of_router(router, said)
    for gateway in said.gateway_routes:
        yield from of_gateway(gateway, said)


def of_node(node: str, said: Said) -> Iterator[Ineffective]:
    """Ports of a node's backends on which it cannot reach them."""
    spec = said.nodes[node]
    backends = [backend.virtual_service for backend in spec.backends or ()]
    listed = [(i, backend.service) for i, backend in enumerate(backends) if backend is not None]
    known = {name: tcp.ports(name, said) for _, name in listed if name in said.services and askable(name)}
    has: dict[int, str] = {}
    for name in sorted(known):
        for port in known[name]:
            has.setdefault(port.port, name)
    own = {mapping.port for mapping in spec.ports}
    for i, name in listed:
        for port in known.get(name, ()):
            reason = _unreached(port.port, own) if has[port.port] == name else _had(port.port, has[port.port])
            if reason is not None:
                at = f"/spec/backends/{i}/virtualService/virtualServiceName"
                yield Ineffective(Key("VirtualNode", node), at, reason)


def _had(port: int, by: str) -> str:
    return f"connections to port {port} go to virtual service {by}: TCP services are told apart by their port"


def _unreached(port: int, own: set[int]) -> str | None:
    """Redirection (App Mesh's image) leads such connections past this; a listener beside the application cannot be."""
    if port in own:
        return f"port {port} is the node's own, so connections to it reach its application, unless they are redirected"
    if port == OUTBOUND_PORT:
        return f"port {port} is where proxies take HTTP, unless an instance says another"
    return None


def of_router(router: str, said: Said) -> Iterator[Ineffective]:
    """Tcp routes that no connection reaches, and targets that none of their connections can be led to."""
    ports = tcp.router_ports(router, said)
    winners = {tcp.first(router, port, said) for port in ports}
    for name, spec, _ in tcp.tcp_routes(router, said):
        key = Key("Route", name, router)
        if not ports:
            yield Ineffective(key, "/spec/tcpRoute", f"virtual router {router} has no tcp listener to take connections")
        elif name not in winners:
            yield Ineffective(key, "/spec/tcpRoute", "another route comes before it and has all connections")
        for pointer, target in spec.targets:
            if tcp.target_port(target, None, said) is None:
                reason = f"virtual node {target.virtual_node} has no listener that a tcp route can lead to"
                yield Ineffective(key, pointer, reason)


def of_gateway(gateway: str, said: Said) -> Iterator[Ineffective]:
    """Gateway routes to services that speak tcp only: App Mesh's gateways take requests, not connections."""
    for name, spec in said.gateway_routes[gateway].items():
        for chosen in spec.chosen:
            service = chosen.route.action.target.virtual_service.virtual_service_name
            if _speaks_tcp_only(service, said):
                at = f"/spec/{chosen.member}/action/target/virtualService/virtualServiceName"
                reason = f"virtual service {service} speaks tcp only, which gateways do not route"
                yield Ineffective(Key("GatewayRoute", name, gateway), at, reason)


def _speaks_tcp_only(service: str, said: Said) -> bool:
    spec = said.services.get(service)
    if spec is None or spec.provider is None:
        return False
    provider = spec.provider.key
    listed = said.nodes if provider.kind == "VirtualNode" else said.routers
    protocols = {m.protocol for m in listed[provider.name].ports} if provider.name in listed else set()
    return protocols == {"tcp"}
