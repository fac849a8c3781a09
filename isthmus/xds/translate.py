"""translate: from meaning to Envoy's resources: one view for each kind of proxy, each with its two halves.

Serving: a node's inbound listeners with their routes, slots and applications, and the east-west gateway's chain.
Calling: `outbound`, routes, backends, the ways to other clusters, and all of a virtual gateway. Nothing serving refers
to anything calling, so a rollout may widen the one before it moves the other. What is built is kept until something it
was made of has changed, and built once for all views: nothing in a listener names its node, so a thousand nodes with
one port and one log, or none, share one.
"""

from collections.abc import Iterable
from typing import NamedTuple

from isthmus.incremental import Computation
from isthmus.ir import tcp as ir_tcp
from isthmus.ir.mesh import AccessLog, ClusterMesh, Gateway, Listener, Node, Protocol, TcpPort
from isthmus.ir.services import called
from isthmus.ir.tcp import Claim
from isthmus.xds import backends, directory, east_west, egress, listeners, names, routes, slots, tcp
from isthmus.xds.routes import Asked, Hosted
from isthmus.xds.slots import Layer
from isthmus.xds.snapshot import Resource, Type

Half = tuple[Resource, ...]
Ports = tuple[tuple[str, int], ...]


class View(NamedTuple):
    """The two halves of a view, and the ports of nodes that it calls."""

    serving: Half = ()
    calling: Half = ()
    called: Ports = ()


class Translation:
    """One mesh in one cluster that it takes in."""

    def __init__(self, computation: Computation, ir: ClusterMesh) -> None:
        self._once, self._ir = computation.get, ir

    def node(self, name: str) -> View | None:
        """What a sidecar of a node sees; None where the node may not run here."""
        node = self._ir.nodes[name]
        if self._ir.cluster not in node.places:
            return None
        services = self._known(node.services)
        listener = self._once(("outbound", node.log), lambda: listeners.outbound(node.log, self._ir.families))
        table = self._once(("table", services), lambda: self._node_table(services))
        claims = self._once(("claims", services), lambda: ir_tcp.claims({n: self._tcp(n) for n in services}))
        ports = tuple(sorted({*self._called(services), *ir_tcp.called(claims)}))
        connected = (resource for claim in claims for resource in self._connected(claim, node.log))
        requests = listener, table, *self._slots(names.OUTBOUND, Layer.HTTP), *self._egress()
        out = *requests, *connected, *self._reached(ports)
        return View(tuple(r for port in node.listeners for r in self._port(port, node.log)), out, ports)

    def gateway(self, name: str) -> View:
        """What an Envoy of a virtual gateway sees."""
        gateway = self._ir.gateways[name]
        services = self._known(gateway.services)
        asked = self._once(("asked", name), lambda: routes.asked(self._ir.gateways[name], self._ir.services))
        table = self._once(("inside", asked), lambda: routes.inside(r for said in asked for r in self._by_header(said)))
        ports = self._called(services)
        inside = self._once(("outbound inside", gateway.log), lambda: listeners.outbound_inside(gateway.log))
        out = [inside, table, *self._slots(names.OUTBOUND, Layer.HTTP), *self._reached(ports)]
        for i in range(len(gateway.listeners)):
            out += self._door(gateway, i)
        return View((), tuple(out), ports)

    def _door(self, gateway: Gateway, i: int) -> Half:
        """A port of a gateway, its routes, and its own way inside."""
        name, log, listener = gateway.name, gateway.log, gateway.listeners[i]
        port = listener.port
        shared = self._once(("ingress", port, log), lambda: listeners.ingress(port, log))
        table = self._once(("door", name, i), lambda: self._built_ingress(name, i))
        way = self._once(("inside of", port, listener.protocol, listener.pool), lambda: backends.inside(listener))
        return shared, table, way, *self._slots(names.ingress(port), Layer.HTTP)

    def east_west(self) -> View:
        """The mesh's share of the east-west gateway."""
        chain = names.east_west_chain(self._ir.label)
        return View((east_west.listener(self._ir.label, self._ir.suffix), *self._slots(chain, Layer.TCP)))

    def directory(self, kind: Type, name: str) -> Resource | None:
        """What the agent must know of a node, a gateway or a binding; None of a node that may not run here."""
        ir = self._ir
        match kind:
            case Type.NODE:
                node = ir.nodes[name]
                return directory.node(ir, node) if ir.cluster in node.places else None
            case Type.GATEWAY:
                return directory.gateway(ir.gateways[name])
        return directory.binding(ir.bindings[name])

    def directory_backend(self, node: str, port: int) -> Resource:
        """What the agent must know of a port that is called here."""
        return directory.backend(self._ir, self._ir.nodes[node], port)

    def _slots(self, listener: str, layer: Layer) -> Half:
        return self._once(("slots", listener, layer), lambda: slots.inert(listener, layer))

    def _port(self, listener: Listener, log: AccessLog | None) -> Half:
        return self._once(("port", listener, log), lambda: self._built_port(listener, log))

    def _built_port(self, listener: Listener, log: AccessLog | None) -> Half:
        name, port, app = names.inbound(listener.port), listener.port, backends.app(listener)
        if listener.protocol is Protocol.TCP:
            return listeners.inbound_tcp(self._ir.name, port, listener.idle, log), app, *self._slots(name, Layer.TCP)
        shared = self._once(("inbound", port, log), lambda: listeners.inbound_http(self._ir.name, port, log))
        return shared, routes.inbound(listener), app, *self._slots(name, Layer.HTTP)

    def _node_table(self, services: tuple[str, ...]) -> Resource:
        """To the backends of a node, and where the mesh lets it to everybody else."""
        if not self._ir.lets_out:
            return routes.outbound(self._hosts(services))
        ports = [port for name in services for port in self._ir.services[name].listens]
        return routes.outbound(self._hosts(services), otherwise=egress.routes(ports))

    def _egress(self) -> Half:
        return (self._once("egress", lambda: egress.cluster(self._ir.families)),) if self._ir.lets_out else ()

    def _tcp(self, service: str) -> tuple[TcpPort, ...]:
        return self._once(("tcp", service), lambda: self._ir.services[service].tcp)

    def _connected(self, claim: Claim, log: AccessLog | None) -> Half:
        filled = self._slots(names.outbound_tcp(claim.port.port), Layer.TCP)
        return *self._once(("claim", claim, log), lambda: tcp.outbound(claim, log)), *filled

    def _by_header(self, said: Asked) -> tuple[bytes, ...]:
        return self._once(("by header", said), lambda: routes.by_header(said, self._ir.services[said.service]))

    def _built_ingress(self, name: str, i: int) -> Resource:
        return routes.ingress(self._ir.gateways[name].listeners[i], self._ir.services)

    def _known(self, services: Iterable[str]) -> tuple[str, ...]:
        """The services that exist, each once; a backend may be named before it does."""
        return tuple(sorted({name for name in services if name in self._ir.services}))

    def _hosts(self, services: Iterable[str]) -> list[Hosted]:
        return [host for name in services for host in self._hosts_of(name)]

    def _hosts_of(self, service: str) -> tuple[Hosted, ...]:
        return self._once(("hosts", service), lambda: routes.hosts(self._ir.services[service]))

    def _called(self, services: tuple[str, ...]) -> Ports:
        return tuple(sorted({port for name in services for port in self._ports(name)}))

    def _ports(self, service: str) -> Ports:
        return self._once(("ports", service), lambda: called(self._ir.services[service].all_routes))

    def _reached(self, ports: Ports) -> Half:
        """Backends, and the ways to the other clusters where any of them may run."""
        out = [self._backend(node, port) for node, port in ports]
        places = {place for node, _ in ports for place in self._ir.nodes[node].places}
        for peer in self._ir.peers:
            if peer.name in places:
                out += self._way(peer.name)
        return tuple(out)

    def _backend(self, node: str, port: int) -> Resource:
        return self._once(("backend", node, port), lambda: self._built_backend(self._ir.nodes[node], port))

    def _built_backend(self, node: Node, port: int) -> Resource:
        return backends.backend(node, node.listener(port), permissive=node.permissive)

    def _way(self, cluster: str) -> Half:
        return self._once(("way", cluster), lambda: self._built_way(cluster))

    def _built_way(self, cluster: str) -> Half:
        return listeners.to_peer(cluster), backends.peer(cluster), *self._slots(names.to(cluster), Layer.TCP)
