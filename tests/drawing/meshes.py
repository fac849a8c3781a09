"""meshes: whole definitions by chance: documents that refer to each other and pass `model.check`, one mesh a seed.

Each spec is made as the single ones are that App Mesh's API is tried with (`tests.contract.appmesh.specs`); what is
added here is the whole: names that others use, ports that are there, several listeners, neighbours that are not.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from isthmus.model.check import check
from isthmus.model.definition import Definition, parse_definition
from tests.contract.appmesh.making import Maker
from tests.contract.appmesh.specs import (
    BY_HAND,
    GATEWAY_ROUTES,
    PROTOCOLS,
    gateway_route_to,
    listener,
    listening,
    route_among,
)

Json = Any
Ports = Mapping[int, str]
"""Port → protocol."""
PORTS = (80, 8080, 443, 1, 65535)
"""Few, so that ports of routers, nodes and callers meet."""
CLUSTERS = ("east", "west", "north")
MEMBERS = {protocol: member for member, protocol in PROTOCOLS.items()}
MESHES = ("shop", "ü /%2F mesh", "m" * 255)


class MeshMaker(Maker):
    """Makes a mesh; keeps where its things listen, by name."""

    def __init__(self, seed: int) -> None:
        super().__init__(Random(seed), BY_HAND)
        self.nodes: dict[str, Ports] = {}
        self.routers: dict[str, Ports] = {}
        self.services: dict[str, Sequence[int] | None] = {}

    def ports(self, low: int, high: int) -> list[int]:
        return self._random.sample(PORTS, self.number(low, high))

    def called(self, prefix: str) -> Iterator[str]:
        """Names, each once: plain ones and odd ones."""
        for i in range(len(PORTS) * 100):
            yield f"{prefix}{i}" if self.chance(75) else f"{i}{self.text(0, 250)}"

    def some(self, least: int, most: int, prefix: str) -> list[str]:
        """So many names."""
        names = self.called(prefix)
        return [next(names) for _ in range(self.number(least, most))]


def mesh(seed: int) -> Definition:
    """The definition of a seed, which passes `check`; the same in every run."""
    definition = parse_definition(definition_json(MeshMaker(seed)))
    assert check(definition) == (), f"mesh {seed} is not a valid definition: {check(definition)}"
    return definition


def definition_json(maker: MeshMaker) -> Json:
    """A whole mesh as it travels."""
    attached = ("east", *(cluster for cluster in CLUSTERS[1:] if maker.chance(60)))
    documents = [_document(maker, "Attachment", cluster, {}) for cluster in attached]
    nodes = {name: maker.ports(0, 3) for name in maker.some(1, 4, "node-")}
    documents += [*_routers(maker, nodes), *_services(maker), *_nodes(maker)]
    documents += [*_routes(maker), *_gateways(maker), *_placements(maker, attached), *_bindings(maker)]
    documents += _transports(maker)
    documents += _certificates(maker, documents)
    spec = maker.make("MeshSpec")
    made = {"kind": "Mesh", "name": maker.one(MESHES) if maker.chance(30) else "shop", "spec": spec}
    return made | {"settings": _settings(maker), "tags": _tags(maker), "resources": documents}


def _document(maker: Maker, kind: str, name: str, spec: Json, parent: str | None = None) -> Json:
    tags = {"tags": _tags(maker)} if maker.chance(10) else {}
    return {"kind": kind, "name": name, "spec": spec} | ({"parent": parent} if parent else {}) | tags


def _tags(maker: Maker) -> Json:
    return {maker.text(1, 128): maker.text(0, 256)} if maker.chance(20) else {}


def _settings(maker: Maker) -> Json:
    said = {
        "transport": maker.one(("permissive", "strict")),
        "exports": maker.one(("all", "listed")),
        "strategy": maker.one(("immediate", "staged")),
        "shared_with": ["111122223333"][: maker.number(0, 1)],
        "vips": maker.one(("240.0.0.0/8", "127.192.0.0/16")),
    }
    return {name: value for name, value in said.items() if maker.chance(40)}


def _ports(listeners: Sequence[Json]) -> Ports:
    return {each["portMapping"]["port"]: each["portMapping"]["protocol"] for each in listeners}


def _routers(maker: MeshMaker, nodes: Mapping[str, Sequence[int]]) -> Iterator[Json]:
    """Routers, after the ports of nodes are chosen, so that both often have the same ones."""
    protocols = tuple(PROTOCOLS.values())
    for name, ports in nodes.items():
        maker.nodes[name] = {port: maker.one(protocols) for port in ports}
    for name in maker.some(0, 3, "router-"):
        like = maker.one(tuple(maker.nodes.values()))
        listeners = (
            [{"portMapping": {"port": port, "protocol": protocol}} for port, protocol in like.items()]
            if like and maker.chance(50)
            else listening(maker.ports(1, 3), maker.one(protocols), maker)
        )
        listeners = listeners if maker.chance(90) else []
        maker.routers[name] = _ports(listeners)
        yield _document(maker, "VirtualRouter", name, {"listeners": listeners} if listeners else {})


def _services(maker: MeshMaker) -> Iterator[Json]:
    """By a node, by a router, by nobody; one name in two spellings now and then."""
    names = [f"{name}.local" if name.isascii() and len(name) < 60 else name for name in maker.some(1, 4, "svc-")]
    names += [names[0].upper()] if names[0] != names[0].upper() and maker.chance(10) else []
    for name in names:
        kind = maker.one(("virtualNode", "virtualRouter", None))
        known = {"virtualNode": maker.nodes, "virtualRouter": maker.routers}.get(kind or "", {})
        provider = maker.one(tuple(known)) if known else None
        maker.services[name] = tuple(known[provider]) if provider else None
        spec = {"provider": {kind: {f"{kind}Name": provider}}} if provider else {}
        yield _document(maker, "VirtualService", name, spec)


def _nodes(maker: MeshMaker) -> Iterator[Json]:
    for name, ports in maker.nodes.items():
        spec = maker.by_model("VirtualNodeSpec", "listeners", "serviceDiscovery", "backends")
        if ports or maker.chance(50):
            spec["listeners"] = [listener("Listener", (protocol,), port, maker) for port, protocol in ports.items()]
        if ports and maker.chance(60):
            spec["serviceDiscovery"] = maker.make("ServiceDiscovery")
        if maker.chance(85):
            asked = [*maker.services, "later.local"]
            spec["backends"] = [_backend(maker, service) for service in asked if maker.chance()]
        yield _document(maker, "VirtualNode", name, spec)


def _backend(maker: MeshMaker, service: str) -> Json:
    made = maker.make("Backend")
    arn = "arn:aws:appmesh:us-east-1:111122223333:mesh/shop/virtualService/"
    made["virtualService"]["virtualServiceName"] = f"{arn if maker.chance(20) else ''}{service}"
    return made


def _listeners(ports: Ports, chosen: int | None) -> list[Json]:
    """Listeners of which the chosen one stands first."""
    ordered = sorted(ports.items(), key=lambda each: each[0] != chosen)
    return [{"portMapping": {"port": port, "protocol": protocol}} for port, protocol in ordered]


def _routes(maker: MeshMaker) -> Iterator[Json]:
    ports_of = {name: tuple(ports) for name, ports in maker.nodes.items()}
    for router, ports in maker.routers.items():
        for name in maker.some(0, 4, "route-"):
            chosen = maker.one(tuple(ports)) if ports else None
            member = MEMBERS[ports[chosen]] if chosen else maker.one(tuple(PROTOCOLS))
            spec = route_among(member, _listeners(ports, chosen), ports_of, maker)
            yield _document(maker, "Route", name, _ranked(maker, spec), router)


def _ranked(maker: Maker, spec: Json) -> Json:
    """Priorities that are equal now and then."""
    return spec | {"priority": maker.one((0, 1, 1000))} if maker.chance(30) else spec


def _gateways(maker: MeshMaker) -> Iterator[Json]:
    for gateway in maker.some(0, 2, "gateway-"):
        spec = maker.by_model("VirtualGatewaySpec", "listeners")
        protocols = ("http", "http2", "grpc")
        spec["listeners"] = [listener("VirtualGatewayListener", protocols, p, maker) for p in maker.ports(0, 3)]
        yield _document(maker, "VirtualGateway", gateway, spec)
        ports = _ports(spec["listeners"])
        for name in maker.some(0, 4, "gateway-route-"):
            chosen = maker.one(tuple(ports)) if ports else None
            member = MEMBERS[ports[chosen]] if chosen else maker.one(GATEWAY_ROUTES)
            service = maker.one(tuple(maker.services))
            made = gateway_route_to(member, _listeners(ports, chosen), service, maker.services[service], maker)
            yield _document(maker, "GatewayRoute", name, _ranked(maker, made), gateway)
        if maker.chance(50):
            match = {"file": f"host of {gateway}"[:255]}
            yield _document(maker, "Binding", f"of {gateway}"[:255], {"gateway": gateway, "match": match})


def _placements(maker: MeshMaker, attached: Sequence[str]) -> Iterator[Json]:
    for node in maker.nodes:
        if maker.chance(30):
            clusters = [cluster for cluster in attached if maker.chance(50)] or [attached[0]]
            yield _document(maker, "Placement", node, {"clusters": clusters})


def _transports(maker: MeshMaker) -> Iterator[Json]:
    for node in maker.nodes:
        if maker.chance(20):
            yield _document(maker, "Transport", node, {"mode": maker.one(("permissive", "strict"))})


def _bindings(maker: MeshMaker) -> Iterator[Json]:
    for i, node in enumerate(maker.nodes):
        match: Json = maker.one(
            (
                {"file": f"host {i}"},
                {"k8s": {"namespace": f"n{i}", "service_account": "s"} | ({"labels": {"a": "b"}} if i else {})},
                {"ecs": {"cluster": "c", "service": f"s{i}"}},
                {"iam": {"role": f"r{i}"}},
            )
        )
        if maker.chance(50):
            yield _document(maker, "Binding", f"b{i}", {"node": node, "match": match})


def _certificates(maker: MeshMaker, documents: Sequence[Json]) -> list[Json]:
    """Further certificates of some listeners, each with one list, and now and then of a port that nobody listens on."""
    members = {"VirtualNode": "node", "VirtualGateway": "gateway"}
    owners = [(members[each["kind"]], each["name"], each["spec"]) for each in documents if each["kind"] in members]
    arn = "arn:aws:acm:us-east-1:111122223333:certificate/"
    out = []
    for i, (member, name, spec) in enumerate(owners):
        ports = [each["portMapping"]["port"] for each in spec.get("listeners", ())] or [444]
        if maker.chance(15):
            listed = [f"{arn}{n}" for n in range(maker.number(1, 3))]
            said = {member: name, "port": maker.one(ports), "certificates": listed}
            out.append(_document(maker, "ListenerCertificates", f"c{i}", said))
    return out
