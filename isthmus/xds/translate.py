"""translate: from meaning to Envoy's resources: one view for each kind of proxy, each with its two halves.

Serving: a node's inbound listeners with their routes, slots and applications, and the east-west gateway's chain.
Calling: `outbound`, routes, backends, the ways to other clusters, and all of a virtual gateway. Nothing serving refers
to anything calling, so a rollout may widen the one before it moves the other. What is built is kept until something it
was made of has changed, and built once for all views: nothing in a listener names its node, so a thousand nodes with
one port and one log, or none, share one.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from isthmus.incremental import Computation
from isthmus.ir import tcp as ir_tcp
from isthmus.ir import tls as ir_tls
from isthmus.ir.addresses import request_ports
from isthmus.ir.mesh import AccessLog, ClusterMesh, Gateway, Listener, Node, Protocol, Service, TcpPort
from isthmus.ir.services import called
from isthmus.ir.tcp import Claim
from isthmus.ir.transport import Policy, Shown
from isthmus.xds import (
    backends,
    directory,
    dns,
    east_west,
    egress,
    listeners,
    material,
    names,
    routes,
    slots,
    tcp,
    tunnels,
    vips,
)
from isthmus.xds.app_mesh_tls import Among
from isthmus.xds.routes import Asked, Requested
from isthmus.xds.slots import Layer
from isthmus.xds.snapshot import Resource, Type

Half = tuple[Resource, ...]
Ports = tuple[tuple[str, int], ...]


class View(NamedTuple):
    """The two halves of a view, and the ports of nodes that it calls."""

    serving: Half = ()
    calling: Half = ()
    called: Ports = ()


class Way(NamedTuple):
    """Ports that are called under one client policy; by one service alone, if one is said."""

    policy: Policy | None
    ports: Ports
    service: str | None = None


class Leads(NamedTuple):
    """Where a service leads, once for all its callers.

    `asked`: whether it takes requests; `requests`: what these are sent to; `connections`: its ports for connections.
    """

    asked: bool
    requests: Ports
    connections: tuple[TcpPort, ...]


class Translation:
    """One mesh in one cluster that it takes in."""

    def __init__(self, computation: Computation, ir: ClusterMesh) -> None:
        self._once, self._ir = computation.get, ir
        self._among = Among(ir.name, (f"*.{ir.suffix}",))

    def node(self, name: str) -> View | None:
        """What a sidecar of a node sees; None where the node may not run here."""
        node = self._ir.nodes[name]
        if self._ir.cluster not in node.places:
            return None
        services = self._known(node.services)
        policies = {name: policy for name, policy in node.policies if name in services}
        own = tuple(policies)
        listener = self._once(("outbound", node.log), lambda: listeners.outbound(node.log, self._ir.families))
        table = self._once(("table", services, own), lambda: self._node_table(services, own))
        claims = ir_tcp.claims({name: self._leads(name).connections for name in services})
        requests = listener, table, *self._slots(names.OUTBOUND, Layer.HTTP), *self._egress()
        connected = (resource for claim in claims for resource in self._claimed(claim))
        at_vips = (r for name in services for r in self._called_at(name, node.log, own=name in policies))
        ways = [Way(node.policy, self._led(tuple(name for name in services if name not in policies)))]
        ways += (Way(policies[name], self._led((name,)), name) for name in own)
        out = *requests, *self._tunnels(services, node.log), *connected, *at_vips, self._dns(services)
        serving = (r for port in node.listeners for r in self._port(port, node.log))
        return View(_each_once(serving), _each_once((*out, *self._reached(ways))), _called_by(ways))

    def gateway(self, name: str) -> View:
        """What an Envoy of a virtual gateway sees."""
        gateway = self._ir.gateways[name]
        services = self._known(gateway.services)
        asked = self._once(("asked", name), lambda: routes.asked(self._ir.gateways[name], self._ir.services))
        table = self._once(("inside", asked), lambda: routes.inside(r for said in asked for r in self._by_header(said)))
        ways = [Way(gateway.policy, self._called(services))]
        inside = self._once(("outbound inside", gateway.log), lambda: listeners.outbound_inside(gateway.log))
        out = [inside, table, *self._slots(names.OUTBOUND, Layer.HTTP), *self._reached(ways)]
        for i in range(len(gateway.listeners)):
            out += self._door(gateway, i)
        return View((), _each_once(out), _called_by(ways))

    def _door(self, gateway: Gateway, i: int) -> Half:
        """A port of a gateway, its routes, and its own way inside."""
        name, log, listener = gateway.name, gateway.log, gateway.listeners[i]
        port, shown, protocol = listener.port, listener.tls, listener.protocol
        made = ("ingress", port, log, shown, protocol if shown else None)
        shared = self._once(made, lambda: listeners.ingress(port, log, shown, protocol))
        table = self._once(("door", name, i), lambda: self._built_ingress(name, i))
        way = self._once(("inside of", port, listener.protocol, listener.pool), lambda: backends.inside(listener))
        return shared, table, way, *self._slots(names.ingress(port), Layer.HTTP), *material.of_listener(shown)

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
        files = tuple(material.of_listener(listener.tls))
        if listener.protocol is Protocol.TCP:
            tcp_port = listeners.inbound_tcp(self._among, port, listener.idle, log, listener.tls)
            return tcp_port, app, *self._slots(name, Layer.TCP), *files
        shared = self._inbound(port, log, listener.tls)
        return shared, routes.inbound(listener), app, *self._slots(name, Layer.HTTP), *files

    def _inbound(self, port: int, log: AccessLog | None, shown: Shown | None) -> Resource:
        made = ("inbound", port, log, shown)
        return self._once(made, lambda: listeners.inbound_http(self._among, port, log, shown))

    def _node_table(self, services: tuple[str, ...], own: tuple[str, ...]) -> Resource:
        """To the backends of a node, and where the mesh lets it to everybody else."""
        hosts = [host for name in services for host in self._requested(name, own=name in own).hosts]
        if not self._ir.lets_out:
            return routes.outbound(hosts)
        ports = [port for name in services for port in self._ir.services[name].listens]
        return routes.outbound(hosts, otherwise=egress.routes(ports))

    def _egress(self) -> Half:
        return (self._once("egress", lambda: egress.cluster(self._ir.families)),) if self._ir.lets_out else ()

    def _claimed(self, claim: Claim) -> Half:
        filled = self._slots(names.outbound_tcp(claim.port.port), Layer.TCP)
        return self._once(("claim", claim.service, claim.port.port), lambda: tcp.outbound(claim)), *filled

    def _called_at(self, service: str, log: AccessLog | None, *, own: bool) -> Half:
        """What is said of a service beside its routes by Host: where its connections go, and its own addresses."""
        made = ("called at", service, log, own)
        return self._once(made, lambda: tuple(self._built_called(service, log, own=own)))

    def _built_called(self, name: str, log: AccessLog | None, *, own: bool) -> Iterator[Resource]:
        service = self._ir.services[name]
        for port in service.tcp:
            yield tcp.led(name, port, log, own=own)
        for address in service.addresses:
            for port in service.tcp:
                yield vips.for_connections(name, address, port.port)
                yield from slots.inert(names.outbound_vip(name, port.port, six=":" in address), Layer.TCP)
            for number in request_ports(service):
                yield vips.for_requests(name, address, number, log)
                yield routes.at_vip(name, self._requested(name, own=own), number, address)

    def _requested(self, service: str, *, own: bool) -> Requested:
        made = ("hosts", service, own)
        return self._once(made, lambda: routes.requested(self._ir.services[service], own=own))

    def _tunnels(self, services: tuple[str, ...], log: AccessLog | None) -> Half:
        """Where tunnels to services that take requests lead, if there are any."""
        if not any(self._leads(name).asked for name in services):
            return ()
        return self._once(("tunnel", log), lambda: listeners.tunnel(log, self._ir.families)), self._once(
            "tunnel", tunnels.back
        )

    def _dns(self, services: tuple[str, ...]) -> Resource:
        return dns.listener(self._ir.services[name] for name in services)

    def _by_header(self, said: Asked) -> tuple[bytes, ...]:
        return self._once(("by header", said), lambda: routes.by_header(said, self._ir.services[said.service]))

    def _built_ingress(self, name: str, i: int) -> Resource:
        return routes.ingress(self._ir.gateways[name].listeners[i], self._ir.services)

    def _known(self, services: Iterable[str]) -> tuple[str, ...]:
        """The services that exist, each once; a backend may be named before it does."""
        return tuple(sorted({name for name in services if name in self._ir.services}))

    def _called(self, services: tuple[str, ...]) -> Ports:
        """What requests for some services lead to."""
        return tuple(sorted({port for name in services for port in self._leads(name).requests}))

    def _led(self, services: tuple[str, ...]) -> Ports:
        """What requests for, or connections to, some services lead to."""
        leads = [self._leads(name) for name in services]
        connected = {port for lead in leads for port in ir_tcp.called(lead.connections)}
        return tuple(sorted(connected.union(*(lead.requests for lead in leads))))

    def _leads(self, service: str) -> Leads:
        return self._once(("leads", service), lambda: _leads(self._ir.services[service]))

    def _reached(self, ways: Sequence[Way]) -> Half:
        """Backends, and the ways to the other clusters where any of them may run."""
        out = [
            r for way in ways for node, port in way.ports for r in self._backend(node, port, way.policy, way.service)
        ]
        places = {place for node, _ in _called_by(ways) for place in self._ir.nodes[node].places}
        for peer in self._ir.peers:
            if peer.name in places:
                out += self._way(peer.name)
        return tuple(out)

    def _backend(self, node: str, port: int, policy: Policy | None, service: str | None) -> Half:
        made = ("backend", node, port, policy, service)
        return self._once(made, lambda: self._built_backend(self._ir.nodes[node], port, policy, service))

    def _built_backend(self, node: Node, port: int, policy: Policy | None, service: str | None) -> Half:
        listener = node.listener(port)
        secured = ir_tls.calling(policy, node, listener)
        made = backends.backend(node, listener, permissive=node.permissive, secured=secured, service=service)
        return made, *material.of_calls(secured)

    def _way(self, cluster: str) -> Half:
        return self._once(("way", cluster), lambda: self._built_way(cluster))

    def _built_way(self, cluster: str) -> Half:
        return listeners.to_peer(cluster), backends.peer(cluster), *self._slots(names.to(cluster), Layer.TCP)


def _leads(service: Service) -> Leads:
    routes = service.all_routes
    return Leads(bool(routes), called(routes), service.tcp)


def _called_by(ways: Sequence[Way]) -> Ports:
    return tuple(sorted({port for way in ways for port in way.ports}))


def _each_once(resources: Iterable[Resource]) -> Half:
    """Several listeners, or backends, may have one certificate."""
    return tuple({r.ref.version: r for r in resources}.values())
