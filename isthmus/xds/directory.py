"""directory: what the agent must know of a mesh besides Envoy's resources: the `agent` view, written and read here.

JSON, so that an agent two versions behind reads what it knows and leaves the rest. What a cluster must accept (mesh,
nodes, bindings, gateways) is serving; what its proxies may call (backends, peers) is calling.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from isthmus.ir.families import UNSAID, Families
from isthmus.ir.found import Discovery
from isthmus.ir.mesh import Bound, ClusterMesh, Gateway, Node, Peer
from isthmus.values import service_id
from isthmus.xds import discovered, names
from isthmus.xds.snapshot import Resource, Type

PERMISSIVE = "permissive"


@dataclass(frozen=True, slots=True)
class Facts:
    """The mesh itself. `suffix` ends its SNIs; `domains`: cluster → trust domain, for every attached cluster.

    `account` and `region` are those of its ARN; empty in what an older compiler made, which fits nobody.
    """

    id: UUID
    name: str
    label: str
    suffix: str
    permissive: bool
    domains: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    region: str = ""
    families: Families = UNSAID


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node that is placed here. `service`: its id between clusters; `ports`: (listener port, protocol) each.

    `permissive`: whether it may be called in plaintext. `families`: of IP, as `isthmus.xds.dual` reads them.
    """

    service: str
    ports: tuple[tuple[int, str], ...]
    exported: bool
    permissive: bool
    families: Families = UNSAID


@dataclass(frozen=True, slots=True)
class Backend:
    """A port of a node that some proxy here may call; in plaintext, too, where the node is `permissive`.

    `checked`: callers ask an instance whether it is well before they call it. `discovery`: what is asked for the node's
    instances while no cluster has bound ones; None where nothing is to be.
    """

    node: str
    port: int
    service: str
    protocol: str
    permissive: bool
    checked: bool = False
    discovery: Discovery | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """What workload is a node, or a gateway's Envoy: one of `node` and `gateway`. `match` as the tenant wrote."""

    name: str
    node: str | None
    gateway: str | None
    match: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Directory:
    """The `agent` view of one mesh. `peers`: cluster → (region, network); `gateways`: name → listener ports."""

    facts: Facts
    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)
    gateways: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    bindings: tuple[Binding, ...] = ()
    backends: Mapping[str, Backend] = field(default_factory=dict)
    peers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    discovered: Mapping[str, Discovery] = field(init=False)
    """The nodes that are called and have a service discovery of their own."""

    def __post_init__(self) -> None:
        said = {b.node: b.discovery for b in self.backends.values() if b.discovery is not None}
        object.__setattr__(self, "discovered", said)

    @classmethod
    def read(cls, resources: Iterable[Resource]) -> Self | None:
        """The inverse of the functions below; resources of other types are ignored. None if the mesh is not said.

        KeyError if something that has always been there is missing.
        """
        said: dict[str, dict[str, Any]] = {}
        for r in resources:
            if r.type in _READ:
                said.setdefault(r.type, {})[r.name] = json.loads(r.body)
        if not said.get(Type.MESH):
            return None
        (mesh,) = said[Type.MESH].values()
        facts = _facts(mesh)
        return cls(
            facts=facts,
            nodes={n: _node(v, facts) for n, v in said.get(Type.NODE, {}).items()},
            gateways={n: tuple(v["ports"]) for n, v in said.get(Type.GATEWAY, {}).items()},
            bindings=tuple(_binding(n, v) for n, v in sorted(said.get(Type.BINDING, {}).items())),
            backends={n: _backend(v, facts) for n, v in said.get(Type.BACKEND, {}).items()},
            peers={n: (v["region"], v["network"]) for n, v in said.get(Type.PEER, {}).items()},
        )


_READ = frozenset({Type.MESH, Type.NODE, Type.GATEWAY, Type.BINDING, Type.BACKEND, Type.PEER})


def _facts(said: Mapping[str, Any]) -> Facts:
    return Facts(
        id=UUID(said["id"]),
        name=said["name"],
        label=said["label"],
        suffix=said["suffix"],
        permissive=said["transport"] == PERMISSIVE,
        domains=said["domains"],
        account=said.get("account", ""),
        region=said.get("region", ""),
        families=tuple(said.get("families", UNSAID)),
    )


def _node(said: Mapping[str, Any], mesh: Facts) -> NodeFacts:
    ports = tuple((p["port"], p["protocol"]) for p in said["ports"])
    families = tuple(said.get("families", mesh.families))
    return NodeFacts(said["service"], ports, said["exported"], _permissive(said, mesh), families)


def _binding(name: str, said: Mapping[str, Any]) -> Binding:
    return Binding(name, said.get("node"), said.get("gateway"), said["match"])


def _backend(said: Mapping[str, Any], mesh: Facts) -> Backend:
    permissive, checked, found = _permissive(said, mesh), said.get("checked", False), said.get("discovery", {})
    node, port, service, protocol = (said[name] for name in ("node", "port", "service", "protocol"))
    return Backend(node, port, service, protocol, permissive, checked, discovered.read(found))


def _permissive(said: Mapping[str, Any], mesh: Facts) -> bool:
    """A node's own transport; what an older compiler made does not say it: then it is the mesh's."""
    return said["transport"] == PERMISSIVE if "transport" in said else mesh.permissive


def _transport(*, permissive: bool) -> str:
    return PERMISSIVE if permissive else "strict"


def mesh(ir: ClusterMesh) -> Resource:
    """The mesh itself."""
    said: dict[str, Any] = {
        "id": str(ir.id),
        "name": ir.name,
        "account": ir.account,
        "region": ir.region,
        "label": ir.label,
        "suffix": ir.suffix,
        "transport": _transport(permissive=ir.permissive),
        "domains": dict(ir.domains),
    }
    if ir.families:
        said["families"] = list(ir.families)
    return Resource.json(Type.MESH, ir.label, said)


def node(ir: ClusterMesh, placed: Node) -> Resource:
    """A node that may run here."""
    ports = [{"port": listener.port, "protocol": listener.protocol} for listener in placed.listeners]
    said: dict[str, Any] = {"service": service_id(ir.id, placed.name), "ports": ports, "exported": placed.exported}
    if placed.families:
        said["families"] = list(placed.families)
    said["transport"] = _transport(permissive=placed.permissive)
    return Resource.json(Type.NODE, placed.name, said)


def gateway(known: Gateway) -> Resource:
    """A virtual gateway."""
    return Resource.json(Type.GATEWAY, known.name, {"ports": [listener.port for listener in known.listeners]})


def binding(bound: Bound) -> Resource:
    """What workload is what."""
    return Resource.json(Type.BINDING, bound.name, {bound.kind: bound.of, "match": bound.match})


def backend(ir: ClusterMesh, called: Node, port: int) -> Resource:
    """A port of a node that some view here calls."""
    listener, service = called.listener(port), service_id(ir.id, called.name)
    said: dict[str, Any] = {"node": called.name, "port": port, "service": service, "protocol": listener.protocol}
    said["transport"] = _transport(permissive=called.permissive)
    if listener.check is not None:
        said["checked"] = True
    if called.discovery is not None and called.permissive:  # what is found so has no proxy before it
        said["discovery"] = discovered.said(called.discovery)
    return Resource.json(Type.BACKEND, names.backend(called.name, port), said)


def peer(other: Peer) -> Resource:
    """Another cluster of the mesh."""
    return Resource.json(Type.PEER, other.name, {"region": other.region, "network": other.network})
