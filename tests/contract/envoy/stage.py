"""stage: two clusters of real Envoys, and applications behind them, that play any definition.

A stage says who is there: instances (with or without a proxy, with or without an application), virtual gateways, and an
east-west gateway in each cluster. `apply` compiles a definition for both clusters, composes as the agent does, and
returns when every Envoy has acked what it was given and warms nothing: what a test asks after that is answered by that
definition. Definitions use the ports below, which are free on all of loopback, so stages differ in addresses only.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from uuid import UUID

from isthmus.hostport import joined
from isthmus.ir.surroundings import ClusterFacts, Surroundings
from isthmus.model.check import check
from isthmus.model.definition import Definition
from isthmus.values import TrustDomain, slot_id
from isthmus.xds import secrets
from isthmus.xds.compile import compile_mesh
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import (
    Health,
    Here,
    LocalInstance,
    RemoteCluster,
    RemoteNode,
    RemoteSlot,
    Topology,
    endpoints,
)
from isthmus.xds.own_host import OwnHost
from isthmus.xds.proxy import AtGateway, Composed, compose_east_west, compose_gateway, compose_node
from isthmus.xds.resolved import Resolved
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, view_id
from tests.contract.envoy.ads import Ads
from tests.contract.envoy.applications import App, GrpcApp, TcpApp
from tests.contract.envoy.asking import Answer, Reply, ask, call, free_port, listens
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.feeding import Envoy
from tests.contract.envoy.h2 import H2App
from tests.until import until

Json = Any
Application = App | GrpcApp | TcpApp

MESH_ID = UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")
HERE = {
    "east": Here("east", UUID(int=1), "us-east-1", "east"),
    "west": Here("west", UUID(int=2), "eu-west-1", "west"),
}
READY = 30.0
"""Seconds within which a definition must have arrived everywhere."""

HTTP, HTTP2, GRPC, TCP, SECOND, THIRD = (free_port() for _ in range(6))
"""Ports of virtual nodes and routers; what they speak is the definition's to say."""

DOOR, SIDE_DOOR = free_port(), free_port()
"""Ports of virtual gateways, which listen there."""

OUTBOUND, EAST_WEST, DNS = free_port(), free_port(), free_port()
"""Where sidecars take their applications' requests, where east-west gateways listen, where names are asked for."""

_STAGES = itertools.count(1)
_APPLICATIONS = {"http": App, "http2": H2App, "grpc": GrpcApp, "tcp": TcpApp}


@cache
def inbound(port: int) -> int:
    """Where proxies take what comes for a node's port."""
    return free_port()


@dataclass(frozen=True)
class Instance:
    """A running copy of a node (of its own name, if none is said). Only where the node is placed does it take part.

    `vips`: whether its proxy binds services' addresses; at most one of all that run may.
    """

    name: str
    node: str = ""
    cluster: str = "east"
    proxied: bool = True
    serving: bool = True
    vips: bool = False

    @property
    def of(self) -> str:
        """Its virtual node."""
        return self.node or self.name


@dataclass(frozen=True)
class Door:
    """The Envoy of a virtual gateway."""

    name: str
    cluster: str = "east"


class Stage:
    """`envoys`, by name (`east-west/<cluster>` too); `apps`, by (instance, port).

    `also`: instances' addresses of the other family of IP. `six`: whether proxies are told what needs IPv6.

    `resolved`: what nodes' own service discovery says in either cluster, by node, from the next definition on.

    `managed`: the secrets that the control plane hands to every proxy, by name. `sds`: the socket of a tenant's own.
    """

    def __init__(self, *instances: Instance, doors: Sequence[Door] = (), sds: Path | None = None) -> None:
        number = next(_STAGES)
        self.instances = {i.name: i for i in instances}
        self.doors = {d.name: d for d in doors}
        self.addresses = {
            name: f"127.{90 + number // 250}.{number % 250}.{n}"
            for n, name in enumerate((*self.instances, *self.doors, *map(_east_west, HERE)), 1)
        }
        self.domains = {c: Domain(TrustDomain.of(c, 1, "acme").text) for c in HERE}
        self.health: dict[str, Health] = {}
        self.resolved: dict[str, Resolved] = {}
        self.dns_servers: tuple[tuple[str, int], ...] = ()
        self.six = True
        self.also: dict[str, str] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self._directories: dict[str, Directory] = {}
        self.apps: dict[tuple[str, int], Application] = {}
        self.envoys: dict[str, Envoy] = {}
        self.ads = Ads()
        self.managed: dict[str, Resource] = {}
        self._sds = sds
        self._identities: dict[str, Resource] = {}
        self._definition: Definition | None = None
        self._in_force: dict[str, Health] | None = None

    def apply(self, definition: Definition) -> None:
        """Until every Envoy does what this definition says; AssertionError with Envoy's words if one refuses it.

        What is in force already, health of instances included, is not applied again.
        """
        health = dict(self.health)
        if definition is self._definition and health == self._in_force:
            return
        assert check(definition) == (), "a tenant could not have said this"
        self._definition = definition
        facts = {
            name: ClusterFacts(here.cluster_id, name, here.region, here.network, self.domains[name].name)
            for name, here in HERE.items()
        }
        around = Surroundings(MESH_ID, "111122223333", "us-east-1", "acme", "isthmus.internal", facts)
        self.know({cluster: compile_mesh(definition, around, cluster).snapshot for cluster in HERE})
        self.tell()
        self._in_force = health

    def know(self, snapshots: Mapping[str, Snapshot]) -> None:
        """What each cluster is to have: a definition's, or that of a phase on the way to one."""
        self._in_force = None
        self.snapshots = dict(snapshots)
        self._directories = {cluster: self._read(cluster) for cluster in HERE}
        self._open()

    def tell(self) -> None:
        """Until every Envoy has what is known."""
        for proxy in self.proxies:
            self.ads.give(proxy, self.resources(proxy))
        self.start()

    def start(self) -> None:
        """Start the Envoys that do not run, and wait until all are ready."""
        for proxy in self.proxies:
            if proxy not in self.envoys:
                self.envoys[proxy] = Envoy(proxy, self.ads, self._sds)
        for proxy in self.proxies:
            until(partial(self._ready, proxy), READY, every=0.002)

    def _ready(self, proxy: str) -> bool:
        return self.ads.acked(proxy) and not any(self.envoys[proxy].stats("warming").values())

    def kill(self, proxy: str) -> None:
        """End one Envoy; `start` brings it back."""
        self.envoys.pop(proxy).stop()

    def stop(self) -> None:
        """Leaves nothing running."""
        for envoy in self.envoys.values():
            envoy.stop()
        for app in self.apps.values():
            app.stop()
        self.ads.stop()

    def forget(self) -> None:
        """Every application is as it was in the beginning."""
        for app in self.apps.values():
            app.forget()

    def app(self, instance: str, port: int = HTTP) -> Application:
        """The application of an instance at a port of its node."""
        return self.apps[instance, port]

    def ask(self, caller: str, host: str, path: str = "/", method: str = "GET", **also: Any) -> Answer:  # noqa: ANN401
        """An HTTP request of an application, through its proxy; `also`: headers, body."""
        return ask(self.addresses[caller], OUTBOUND, host, path, method, **also)

    def call(self, caller: str, service: str, method: str, **also: Any) -> Reply:  # noqa: ANN401 - see `asking.call`
        """A gRPC call of an application, through its proxy; `also`: body, metadata, seconds."""
        return call(self.addresses[caller], OUTBOUND, service, method, **also)

    def enter(self, host: str, path: str = "/", method: str = "GET", *, port: int = DOOR, **also: Any) -> Answer:  # noqa: ANN401
        """An HTTP request from outside, to the first virtual gateway."""
        return ask(self._door, port, host, path, method, **also)

    def enter_call(self, host: str, method: str, *, port: int = DOOR, **also: Any) -> Reply:  # noqa: ANN401
        """A gRPC call from outside, to the first virtual gateway."""
        return call(self._door, port, host, method, **also)

    @property
    def _door(self) -> str:
        return self.addresses[next(iter(self.doors))]

    def dump(self, proxy: str) -> Json:
        """An Envoy's configuration, as it says itself."""
        return self.envoys[proxy].dump()

    @property
    def proxies(self) -> tuple[str, ...]:
        """Every Envoy that is to run."""
        return (*(i.name for i in self.instances.values() if i.proxied), *self.doors, *map(_east_west, HERE))

    def resources(self, proxy: str) -> list[Resource]:
        """All that one Envoy is to have."""
        bundle = secrets.bundle({d.name: [d.pem] for d in self.domains.values()})
        if proxy in self.instances:
            instance = self.instances[proxy]
            view = self._view(instance.cluster, view_id("node", instance.of, "1.40"))
            own = OwnHost(dns=DNS, dns_servers=self.dns_servers, six=self.six) if instance.vips else None
            known, local = self._endpoints(instance.cluster), self._local(instance)
            told = compose_node(view, known, local, bundle, OUTBOUND, own_host=own)
            return [*_bodies(told), self._identity(instance.cluster, "node", instance.of), *self.managed.values()]
        if proxy in self.doors:
            door = self.doors[proxy]
            ports = self._directories[door.cluster].gateways.get(door.name, ())
            local = LocalInstance(proxy, door.name, self.addresses[proxy], {p: p for p in ports})
            view = self._view(door.cluster, view_id("gateway", door.name, "1.40"))
            told = compose_gateway(view, self._endpoints(door.cluster), local, bundle)
            return [*_bodies(told), self._identity(door.cluster, "gateway", door.name), *self.managed.values()]
        cluster = proxy.partition("/")[2]
        directory = self._directories[cluster]
        view = self._view(cluster, view_id("east-west", directory.facts.label, "1.40"))
        at = AtGateway(view, directory, self._locals(cluster))
        return _bodies(compose_east_west([at], HERE[cluster], self.addresses[proxy], EAST_WEST))

    def calling(self, cluster: str, node: str) -> tuple[list[Resource], Mapping[str, Resource]]:
        """What an application of a node without a proxy is told from: its node's view, and its cluster's endpoints."""
        return self._view(cluster, view_id("node", node, "1.40")), self._endpoints(cluster)

    def rotate(self, cluster: str, domain: Domain) -> None:
        """A cluster's root, and every certificate under it, are others from the next `tell` on."""
        self.domains[cluster] = domain
        self._identities.clear()

    def slot(self, instance: str) -> str:
        """An instance's id towards other clusters."""
        said = self.instances[instance]
        return slot_id(HERE[said.cluster].cluster_id, MESH_ID, said.of, said.name)

    def _open(self) -> None:
        """Start the applications that the definition has ports for."""
        for instance in (i for i in self.instances.values() if i.serving):
            for port, protocol in self._ports(instance):
                if (instance.name, port) not in self.apps:
                    made = _APPLICATIONS[protocol](instance.name, self.addresses[instance.name], port)
                    self.apps[instance.name, port] = made
                    until(partial(listens, self.addresses[instance.name], port))
                    made.forget()

    def _ports(self, instance: Instance) -> tuple[tuple[int, str], ...]:
        """The ports of an instance's node, none where it is not placed."""
        node = self._directories[instance.cluster].nodes.get(instance.of)
        return node.ports if node is not None else ()

    def _local(self, instance: Instance) -> LocalInstance:
        ports = {p: inbound(p) for p, _ in self._ports(instance)} if instance.proxied else {}
        health = self.health.get(instance.name, "healthy")
        name, node = instance.name, self._directories[instance.cluster].nodes.get(instance.of)
        families = node.families if node is not None else ()
        return LocalInstance(
            name,
            instance.of,
            self.addresses[name],
            ports,
            health=health,
            also=self.also.get(name, ""),
            families=families,
        )

    def _locals(self, cluster: str) -> list[LocalInstance]:
        placed = self._directories[cluster].nodes
        return [self._local(i) for i in self.instances.values() if i.cluster == cluster and i.of in placed]

    def _endpoints(self, cluster: str) -> Mapping[str, Resource]:
        """Each cluster knows its own instances, and the others' as slots behind their gateway."""
        others = [self._remote(other) for other in HERE if other != cluster]
        topology = Topology(self._locals(cluster), others, self.resolved)
        return endpoints(self._directories[cluster], topology, HERE[cluster])

    def _remote(self, cluster: str) -> RemoteCluster:
        nodes: dict[str, list[RemoteSlot]] = {}
        for local in self._locals(cluster):
            if local.ports:
                said = RemoteSlot(self.slot(local.name), health=local.health, ports=tuple(local.ports))
                nodes.setdefault(local.node, []).append(said)
        here, gateway = HERE[cluster], joined(self.addresses[_east_west(cluster)], EAST_WEST)
        listed = {node: RemoteNode(tuple(slots), len(slots)) for node, slots in nodes.items()}
        return RemoteCluster(cluster, here.region, here.network, "live", (gateway,), listed)

    def _identity(self, cluster: str, kind: str, name: str) -> Resource:
        """One for each workload, so that applying again changes no certificate."""
        assert self._definition is not None
        domain = TrustDomain(self.domains[cluster].name)
        uri = (domain.node if kind == "node" else domain.gateway)(self._definition.name, name)
        if uri not in self._identities:
            self._identities[uri] = self.domains[cluster].identity(uri)
        return self._identities[uri]

    def _view(self, cluster: str, view: str) -> list[Resource]:
        snapshot = self.snapshots[cluster]
        return [snapshot.resources[ref.version] for ref in snapshot.manifest.refs(view)]

    def _read(self, cluster: str) -> Directory:
        directory = Directory.read(self._view(cluster, AGENT_VIEW))
        assert directory is not None, f"the definition does not attach {cluster}"
        return directory


def _east_west(cluster: str) -> str:
    return f"east-west/{cluster}"


def _bodies(composed: Iterable[Composed]) -> list[Resource]:
    return [c.resource for c in composed]
