"""layout: what the demo consists of, and its addresses and ports, all chosen from the port base.

Each instance has a loopback address of its own, as it would have an address in a network, so that every application may
listen on the same port; and each address is the base's, so that two demos never share one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MESH, INGRESS = "shop", "ingress"
REGIONS = {"east": "us-east-1", "west": "eu-west-1"}
"""Cluster → region."""
INSTANCES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "east": (("front-1", "front"), ("blue-1", "blue")),
    "west": (("green-1", "green"), ("green-2", "green")),
}
"""Cluster → (instance, virtual node)."""

_APP, _INBOUND, _OUTBOUND, _INGRESS, _EAST_WEST = 100, 101, 102, 103, 104
_AGENTS, _ADMINS = 110, 120
_PORTS_OF_AGENT = 2


@dataclass(frozen=True, slots=True)
class Proxy:
    """One Envoy. `node` is its virtual node or gateway, or None for an east-west gateway."""

    name: str
    cluster: str
    node: str | None
    address: str
    admin: str

    @property
    def process(self) -> str:
        """How its process is called."""
        return f"envoy-{self.name}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that follows from the port base."""

    base: int

    @property
    def app_port(self) -> int:
        """Where every application listens, and the port of every virtual node."""
        return self.base + _APP

    @property
    def ingress_port(self) -> int:
        """Where the virtual gateway listens."""
        return self.base + _INGRESS

    @property
    def ingress(self) -> str:
        """The virtual gateway as a user of the shop reaches it."""
        return f"http://{self._address(INGRESS)}:{self.ingress_port}"

    def proxies(self) -> Sequence[Proxy]:
        """All Envoys: the sidecars, the virtual gateway, and an east-west gateway in each cluster."""
        named = [*self._sidecars(), (INGRESS, "east", INGRESS), *((f"gateway-{c}", c, None) for c in REGIONS)]
        return [
            Proxy(n, c, node, self._address(n), f"127.0.0.1:{self.base + _ADMINS + i}")
            for i, (n, c, node) in enumerate(named)
        ]

    def proxy(self, name: str) -> Proxy:
        """One of them."""
        return next(p for p in self.proxies() if p.name == name)

    def outbound(self, instance: str) -> str:
        """Where an instance's sidecar takes its application's requests."""
        return f"http://{self._address(instance)}:{self.base + _OUTBOUND}"

    def app(self, instance: str) -> str:
        """Where an instance's application listens."""
        return f"{self._address(instance)}:{self.app_port}"

    def agent(self, cluster: str) -> tuple[str, str]:
        """Where a cluster's agent serves wardens: enrolment, then the mutually authenticated port."""
        first = self.base + _AGENTS + _PORTS_OF_AGENT * list(REGIONS).index(cluster)
        return f"127.0.0.1:{first}", f"127.0.0.1:{first + 1}"

    def east_west(self, cluster: str) -> str:
        """Where a cluster's east-west gateway takes connections."""
        return f"{self._address(f'gateway-{cluster}')}:{self.base + _EAST_WEST}"

    def listeners(self) -> Iterator[tuple[str, int]]:
        """Every address and TCP port besides the control plane's."""
        for proxy in self.proxies():
            yield from ((proxy.address, self.base + offset) for offset in range(_APP, _EAST_WEST + 1))
            yield _pair(proxy.admin)
        yield from (_pair(address) for cluster in REGIONS for address in self.agent(cluster))

    def discovery(self, cluster: str) -> Mapping[str, Any]:
        """The instances file of a cluster (contracts.md), all on one host that bears the cluster's name."""
        sidecar = {self.app_port: self.base + _INBOUND}
        instances = [self._instance(cluster, name, sidecar, self.base + _OUTBOUND) for name, _ in INSTANCES[cluster]]
        if cluster == "east":
            instances.append(self._instance(cluster, INGRESS, {self.ingress_port: self.ingress_port}, None))
        gateway = self.proxy(f"gateway-{cluster}")
        where = {"name": gateway.name, "host": cluster, "address": gateway.address, "port": self.base + _EAST_WEST}
        return {"instances": instances, "gateways": [where]}

    def documents(self) -> Sequence[Mapping[str, Any]]:
        """What App Mesh has no kinds for: who takes part, what may run where, and which workload is what."""
        nodes = {node: cluster for cluster, held in INSTANCES.items() for _, node in held}
        bound = [
            {"kind": "Binding", "name": name, "spec": {"node": node, "match": {"file": name}}}
            for name, _, node in self._sidecars()
        ]
        gateway = {"kind": "Binding", "name": INGRESS, "spec": {"gateway": INGRESS, "match": {"file": INGRESS}}}
        return [
            *({"kind": "Attachment", "name": cluster, "spec": {}} for cluster in REGIONS),
            *({"kind": "Placement", "name": node, "spec": {"clusters": [cluster]}} for node, cluster in nodes.items()),
            *bound,
            gateway,
        ]

    def _sidecars(self) -> Iterator[tuple[str, str, str]]:
        for cluster, held in INSTANCES.items():
            for name, node in held:
                yield name, cluster, node

    def _instance(self, cluster: str, name: str, ports: Mapping[int, int], outbound: int | None) -> Mapping[str, Any]:
        where = {"name": name, "host": cluster, "address": self._address(name), "ports": dict(ports)}
        return where | {"zone": f"{REGIONS[cluster]}a"} | ({"outbound": outbound} if outbound else {})

    def _address(self, name: str) -> str:
        """127.x.y.n, where x and y are the base's bytes: never 127.0, for a base is at least 1024."""
        names = [*(n for n, _, _ in self._sidecars()), INGRESS, *(f"gateway-{c}" for c in REGIONS)]
        return f"127.{self.base >> 8}.{self.base & 0xFF}.{names.index(name) + 1}"


def _pair(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
