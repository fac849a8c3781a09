"""translate: from meaning to Envoy's resources: one view for each kind of proxy, each with its two halves.

Serving: a node's inbound listeners with their routes, slots and applications, and the east-west gateway's chain.
Calling: `outbound`, routes, backends, the ways to other clusters, and all of a virtual gateway. Nothing serving refers
to anything calling, so a rollout may widen the one before it moves the other. Equal resources are built once a compile:
nothing in a listener names its node, so a thousand nodes with one port and one log (or none) share one.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from isthmus.ir.mesh import AccessLog, ClusterMesh, Gateway, Listener, Node, Protocol, Service
from isthmus.ir.services import called
from isthmus.xds import backends, directory, east_west, listeners, names, routes, slots
from isthmus.xds.slots import Layer
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, view_id

T = TypeVar("T")
Half = tuple[Resource, ...]
Ports = tuple[tuple[str, int], ...]


def translate(ir: ClusterMesh) -> Snapshot:
    """All that one cluster needs of one mesh; nothing at all if the mesh is not attached to it."""
    if ir.cluster not in ir.domains:
        return Snapshot.of({})
    return Snapshot.of(_Translation(ir).views())


class _Translation:
    """One compile: what was built is built once."""

    def __init__(self, ir: ClusterMesh) -> None:
        self._ir = ir
        self._built: dict[Hashable, Any] = {}
        self._called: set[tuple[str, int]] = set()

    def views(self) -> dict[str, tuple[Half, Half]]:
        """Every view by its id: the same content for every Envoy minor, as long as none needs another."""
        ir = self._ir
        made = {("node", node.name): (self._serving(node), self._calling(node)) for node in ir.placed}
        made |= {("gateway", gateway.name): ((), self._gateway(gateway)) for gateway in ir.gateways}
        made["east-west", ir.label] = self._east_west(), ()
        views = {view_id(role, name, minor): halves for (role, name), halves in made.items() for minor in ir.minors}
        protocols = ((n, p, ir.nodes[n].listener(p).protocol) for n, p in sorted(self._called))
        return views | {AGENT_VIEW: (directory.serving(ir), directory.calling(ir, protocols))}

    def _once(self, key: Hashable, build: Callable[[], T]) -> T:
        if key not in self._built:
            self._built[key] = build()
        built: T = self._built[key]
        return built

    def _slots(self, listener: str, layer: Layer) -> Half:
        return self._once(("slots", listener, layer), lambda: slots.inert(listener, layer))

    def _serving(self, node: Node) -> Half:
        return tuple(r for listener in node.listeners for r in self._port(listener, node.log))

    def _port(self, listener: Listener, log: AccessLog | None) -> Half:
        return self._once((listener, log), lambda: self._built_port(listener, log))

    def _built_port(self, listener: Listener, log: AccessLog | None) -> Half:
        name, port, app = names.inbound(listener.port), listener.port, backends.app(listener)
        if listener.protocol is Protocol.TCP:
            return listeners.inbound_tcp(self._ir.name, port, listener.idle, log), app, *self._slots(name, Layer.TCP)
        shared = self._once(("inbound", port, log), lambda: listeners.inbound_http(self._ir.name, port, log))
        return shared, routes.inbound(listener), app, *self._slots(name, Layer.HTTP)

    def _calling(self, node: Node) -> Half:
        services = self._known(node.services)
        listener = self._once(("outbound", node.log), lambda: listeners.outbound(node.log))
        table = self._once(("table", services), lambda: routes.outbound(self._hosts(services)))
        return listener, table, *self._slots(names.OUTBOUND, Layer.HTTP), *self._reached(services)

    def _gateway(self, gateway: Gateway) -> Half:
        services = self._known(gateway.services)
        table = routes.outbound(self._hosts(services), otherwise=tuple(routes.by_header(gateway, self._ir.services)))
        inside = self._once(("outbound inside", gateway.log), lambda: listeners.outbound_inside(gateway.log))
        out = [inside, table, self._once("self", backends.inside)]
        out += *self._slots(names.OUTBOUND, Layer.HTTP), *self._reached(services)
        for listener in gateway.listeners:
            name = names.ingress(listener.port)
            out += listeners.ingress(listener.port, gateway.log), routes.ingress(listener, self._ir.services)
            out += self._slots(name, Layer.HTTP)
        return tuple(out)

    def _east_west(self) -> Half:
        chain = names.east_west_chain(self._ir.label)
        return east_west.listener(self._ir), *self._slots(chain, Layer.TCP)

    def _known(self, services: Iterable[str]) -> tuple[str, ...]:
        """The services that exist, each once; a backend may be named before it does."""
        return tuple(sorted({name for name in services if name in self._ir.services}))

    def _hosts(self, services: Iterable[str]) -> list[Any]:
        return [host for name in services for host in self._hosts_of(self._ir.services[name])]

    def _hosts_of(self, service: Service) -> tuple[Any, ...]:
        return self._once(("hosts", service.name), lambda: routes.hosts(service))

    def _reached(self, services: tuple[str, ...]) -> Half:
        """The backends that services lead to, and the ways to the other clusters where any of them may run."""
        ports = sorted({port for name in services for port in self._ports(self._ir.services[name])})
        self._called.update(ports)
        places = {place for node, _ in ports for place in self._ir.nodes[node].places}
        out = [self._backend(node, port) for node, port in ports]
        for peer in self._ir.peers:
            if peer.name in places:
                out += self._way(peer.name)
        return tuple(out)

    def _ports(self, service: Service) -> Ports:
        return self._once(("ports", service.name), lambda: called(service.all_routes))

    def _backend(self, node: str, port: int) -> Resource:
        return self._once(("backend", node, port), lambda: self._built_backend(self._ir.nodes[node], port))

    def _built_backend(self, node: Node, port: int) -> Resource:
        return backends.backend(node, node.listener(port), permissive=self._ir.permissive)

    def _way(self, cluster: str) -> Half:
        return self._once(("way", cluster), lambda: self._built_way(cluster))

    def _built_way(self, cluster: str) -> Half:
        return listeners.to_peer(cluster), backends.peer(cluster), *self._slots(names.to(cluster), Layer.TCP)
