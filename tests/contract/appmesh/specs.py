"""specs: valid specs of App Mesh's seven kinds, drawn by Hypothesis from AWS's service model.

The model gives members, limits and enums; what it does not say (appmesh.md §2.6, §3.2, §3.5) is made right by
construction, in `BY_HAND`. What a spec refers to comes with it, so that it can be created for real.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

from isthmus.model.operations.words import APP_MESH_KINDS
from tests.contract.appmesh.making import TEXTS, Maker, Neighbour
from tests.contract.aws_model import SHAPES

Json = Any

LONGEST_SECONDS = 9_223_372_036
"""What Envoy can hold of a duration."""
REGEXES = ("a", "^/v[0-9]+/.*$", "(red|blue)?", "[^/]*", r"\d+\.\d+", "(?i)x{1,20}", ".")
LOG_FORMATS = ("%PROTOCOL%", "%REQ(X-A?:PATH):9% %RESPONSE_CODE%\n", "100%%", "[%START_TIME(%s.%3f)%]")
EVENTS = ("server-error", "gateway-error", "client-error", "stream-error")
PROTOCOLS = {"grpcRoute": "grpc", "http2Route": "http2", "httpRoute": "http", "tcpRoute": "tcp"}
GATEWAY_ROUTES = ("grpcRoute", "http2Route", "httpRoute")
NAME = "a0.-_"
HEADER_SHAPES = ("HttpRouteHeader", "HttpGatewayRouteHeader", "GrpcRouteMetadata", "GrpcGatewayRouteMetadata")
MATCH_SHAPES = ("HeaderMatchMethod", "GrpcRouteMetadataMatchMethod", "GrpcMetadataMatchMethod")
HEADERS = (":authority", "x-colour", "X", "!#$%&'*+.^_`|~-", "content-type")


@dataclass(frozen=True)
class Case:
    """A spec, what it is called, and what it refers to, in an order in which that can be created."""

    kind: str
    name: str
    parent: str | None
    spec: Json
    neighbours: tuple[Neighbour, ...]


def duration(maker: Maker) -> Json:
    """Both members, or none."""
    if maker.chance(15):
        return {}
    unit = maker.one(("s", "ms"))
    return {"unit": unit, "value": maker.number(0, LONGEST_SECONDS * (1 if unit == "s" else 1000))}


def match_range(maker: Maker) -> Json:
    """At least one number wide."""
    start = maker.number(-(2**63), 2**63 - 2)
    return {"start": start, "end": maker.number(start + 1, 2**63 - 1)}


def attribute_value(maker: Maker) -> str:
    """Spaces within only."""
    return maker.text(1, 1024, ("a b", "Z", "x-y 9", "!~"))


def header_match(shape: str) -> Callable[[Maker], Json]:
    """A regular expression must be one."""

    def make(maker: Maker) -> Json:
        made = maker.by_model(shape)
        return {"regex": regex(maker)} if "regex" in made else made

    return make


def header(shape: str) -> Callable[[Maker], Json]:
    """A header or a metadata, whose name must be possible."""
    return lambda maker: {
        **maker.by_model(shape, "name"),
        "name": maker.text(1, 50, ("a", "x-", "B0")) if maker.chance() else maker.one(HEADERS),
    }


def regex(maker: Maker) -> str:
    """One of RE2's, of any length."""
    return maker.text(1, 255, ("a", "b0")) if maker.chance(30) else str(maker.one(REGEXES))


def log_format(longest: int) -> Callable[[Maker], Json]:
    """One that Envoy takes, of any length."""
    letters = [text for text in TEXTS if "%" not in text]
    return lambda maker: maker.text(1, longest, letters, begin=maker.one(("", *LOG_FORMATS)))


def path_match(maker: Maker) -> Json:
    """Exact or by a regular expression, or not said."""
    kind = maker.one(("exact", "regex", None))
    return {} if kind is None else {kind: regex(maker) if kind == "regex" else maker.text(1, 255)}


def hostname_match(maker: Maker) -> Json:
    """Exact or by its end, or not said."""
    kind = maker.one(("exact", "suffix", None))
    return {} if kind is None else {kind: maker.text(1, 253, NAME)}


def http_match(shape: str) -> Callable[[Maker], Json]:
    """A path or a prefix or neither; the port is the listeners' affair."""

    def make(maker: Maker) -> Json:
        kind = maker.one(("prefix", "path", None))
        made = maker.by_model(shape, "prefix", "path", "port")
        if kind is None:
            return made
        return made | {kind: maker.text(1, 300, begin="/") if kind == "prefix" else path_match(maker)}

    return make


def grpc_match(maker: Maker) -> Json:
    """A method needs its service."""
    made = maker.by_model("GrpcRouteMatch", "port", "metadata")
    if maker.chance(90):
        made["metadata"] = maker.make("GrpcRouteMetadataList")
    return made | {"serviceName": made.get("serviceName", "s.S")} if "methodName" in made else made


def retry(shape: str) -> Callable[[Maker], Json]:
    """At least one event."""

    def make(maker: Maker) -> Json:
        made = maker.by_model(shape)
        lists = [member for member in SHAPES[shape]["members"] if member.endswith("Events")]
        if not any(member in made for member in lists):
            member = maker.one(lists)
            made[member] = maker.make(SHAPES[shape]["members"][member]["shape"])
        return made

    return make


def listener(shape: str, protocols: Sequence[str], port: int, maker: Maker) -> Json:
    """Pool, timeout and health check are of the port and its protocol."""
    members, protocol = SHAPES[shape]["members"], maker.one(protocols)
    made = maker.by_model(shape, "portMapping", "connectionPool", "timeout", "healthCheck")
    made["portMapping"] = {"port": port, "protocol": protocol}
    for member in ("connectionPool", "timeout"):
        if member in members and maker.chance():
            union = SHAPES[members[member]["shape"]]["members"]
            made[member] = {protocol: maker.make(union[protocol]["shape"])}
    if maker.chance():
        check = maker.by_model(members["healthCheck"]["shape"], "port", "path")
        says_path = {"path": maker.text(1, 300, begin="/")} if maker.chance() else {}
        made["healthCheck"] = check | says_path | ({"port": port} if maker.chance() else {})
    return made


def virtual_node(maker: Maker) -> Json:
    """Discovery needs a listener, and no backend is named twice."""
    made = maker.by_model("VirtualNodeSpec", "listeners", "serviceDiscovery", "backends")
    if maker.chance(85):
        ports = maker.ports(0, 3)
        made["listeners"] = [listener("Listener", tuple(PROTOCOLS.values()), port, maker) for port in ports]
        if ports and maker.chance(80):
            made["serviceDiscovery"] = maker.make("ServiceDiscovery")
    if maker.chance():
        backends = [maker.make("Backend") for _ in range(maker.number(0, 3))]
        for i, backend in enumerate(backends):
            begin = maker.one(("", "arn:aws:appmesh:us-east-1:123456789012:mesh/m/virtualService/"))
            backend["virtualService"]["virtualServiceName"] = f"{begin}{i}{maker.text(0, 200)}"
        made["backends"] = backends
    return made


def virtual_gateway(maker: Maker) -> Json:
    made = maker.by_model("VirtualGatewaySpec", "listeners")
    protocols = ("http", "http2", "grpc")
    return made | {"listeners": [listener("VirtualGatewayListener", protocols, p, maker) for p in maker.ports(0, 3)]}


def virtual_router(maker: Maker) -> Json:
    return {} if maker.chance(10) else {"listeners": listening(maker.ports(1, 4), "http", maker)}


def listening(ports: Sequence[int], protocol: str, maker: Maker, *others: str) -> list[Json]:
    """Listeners of which the first has the protocol."""
    rest = others or tuple(PROTOCOLS.values())
    return [
        {"portMapping": {"port": port, "protocol": protocol if i == 0 else maker.one(rest)}}
        for i, port in enumerate(ports)
    ]


def entered(listeners: Sequence[Json], match: Json, maker: Maker) -> Json:
    """The match with the port that it must or may say: the first listener's."""
    if len(listeners) > 1 or maker.chance(50):
        port = listeners[0]["portMapping"]["port"] if listeners else maker.number(1, 65535)
        return match | {"port": port}
    return match


def aimed(ports: Sequence[int], maker: Maker) -> Json:
    """The port that a target must or may say."""
    return {"port": maker.one(ports)} if len(ports) > 1 or (ports and maker.chance()) else {}


def node(ports: Sequence[int], protocol: str) -> Json:
    """The least that listens there."""
    listeners = [{"portMapping": {"port": port, "protocol": protocol}} for port in ports]
    return {"listeners": listeners} if ports else {}


def virtual_service(maker: Maker) -> Json:
    made = maker.by_model("VirtualServiceSpec")
    for member, provider in made.get("provider", {}).items():
        maker.neighbours.append((member[0].upper() + member[1:], provider[f"{member}Name"], {}))
    return made


def route(maker: Maker) -> Json:
    """One type, on a router of its own, to nodes of its own."""
    member = maker.one(("grpcRoute", *PROTOCOLS))
    listeners = listening(maker.ports(0, 3), PROTOCOLS[member], maker)
    maker.neighbours.append(("VirtualRouter", "parent", {"listeners": listeners} if listeners else {}))
    nodes = {f"{i}{maker.text(0, 254)}": maker.ports(0, 2) for i in range(maker.number(1, 3))}
    maker.neighbours += [("VirtualNode", name, node(ports, PROTOCOLS[member])) for name, ports in nodes.items()]
    return route_among(member, listeners, nodes, maker)


def route_among(member: str, listeners: Sequence[Json], nodes: Mapping[str, Sequence[int]], maker: Maker) -> Json:
    """One of that type: on listeners of which the first is of its protocol, to these nodes by their ports.

    Targets that are there; weights that are a whole at most.
    """
    protocol, shape = PROTOCOLS[member], SHAPES["RouteSpec"]["members"][member]["shape"]
    left, targets = 100, []
    for _ in range(maker.size(SHAPES["WeightedTargets"])):
        name, weight = maker.one(tuple(nodes)), maker.number(0, left)
        targets.append({"virtualNode": name, "weight": weight} | aimed(nodes[name], maker))
        left -= weight
    made = maker.by_model(shape, "action", "match") | {"action": {"weightedTargets": targets}}
    match = SHAPES[shape]["members"]["match"]["shape"]
    said = entered(listeners, maker.make(match) if protocol != "tcp" else {}, maker)
    if said or protocol != "tcp" or maker.chance(50):
        made["match"] = said
    return {member: made} | ({"priority": maker.number(0, 1000)} if maker.chance() else {})


def gateway_route(maker: Maker) -> Json:
    """One type, on a gateway of its own, to a service of its own that may or may not be answered."""
    member = maker.one(GATEWAY_ROUTES)
    listeners = listening(maker.ports(0, 3), PROTOCOLS[member], maker, "http", "http2", "grpc")
    maker.neighbours.append(("VirtualGateway", "parent", {"listeners": listeners}))
    service, ports = maker.name(), maker.ports(0, 2)
    provider = maker.one(("virtualNode", "virtualRouter", None))
    if provider is not None:
        maker.neighbours.append((provider[0].upper() + provider[1:], "provider", node(ports, PROTOCOLS[member])))
    spec = {"provider": {provider: {f"{provider}Name": "provider"}}} if provider else {}
    maker.neighbours.append(("VirtualService", service, spec))
    return gateway_route_to(member, listeners, service, ports if provider else None, maker)


def gateway_route_to(
    member: str, listeners: Sequence[Json], service: str, ports: Sequence[int] | None, maker: Maker
) -> Json:
    """One of that type: on listeners of which the first is of its protocol, to a service with these ports.

    Any port will do where nothing answers for the service (None). What is rewritten is what is matched.
    """
    protocol, shape = PROTOCOLS[member], SHAPES["GatewayRouteSpec"]["members"][member]["shape"]
    said = {} if ports is None else aimed(ports, maker)
    if ports is None and maker.chance():
        said = {"port": maker.number(1, 65535)}
    match = maker.make(SHAPES[shape]["members"]["match"]["shape"])
    action = {"target": {"virtualService": {"virtualServiceName": service}} | said}
    if maker.chance():
        rewrite = {"hostname": maker.make("GatewayRouteHostnameRewrite")} if maker.chance() else {}
        action["rewrite"] = rewrite | (_rewritten("path" in match, maker) if protocol != "grpc" else {})
    made = {"action": action, "match": entered(listeners, match, maker)}
    return {member: made} | ({"priority": maker.number(0, 1000)} if maker.chance() else {})


def _rewritten(by_path: bool, maker: Maker) -> Json:  # noqa: FBT001 - one of two
    """A path where one is matched, else a prefix, which is switched off or another one."""
    if by_path:
        exact = maker.text(1, 255, begin="/").replace("\n", " ")
        return {"path": {"exact": exact} if maker.chance(90) else {}}
    switch = {"defaultPrefix": maker.one(("ENABLED", "DISABLED"))}
    value = {"value": "/" + maker.text(0, 253).replace("\n", " ") + "/"}
    return {"prefix": maker.one((switch, value, {}))} if maker.chance(80) else {}


BY_HAND: Mapping[str, Callable[[Maker], Json]] = {
    **{shape: header(shape) for shape in HEADER_SHAPES},
    **{shape: header_match(shape) for shape in MATCH_SHAPES},
    "AwsCloudMapInstanceAttributeKey": lambda maker: maker.text(1, 255, ("a", "!~", "K0")),
    "AwsCloudMapInstanceAttributeValue": attribute_value,
    "Duration": duration,
    "GatewayRouteHostnameMatch": hostname_match,
    "GatewayRouteSpec": gateway_route,
    "GrpcGatewayRouteMatch": lambda maker: maker.by_model("GrpcGatewayRouteMatch", "port"),
    "GrpcRetryPolicy": retry("GrpcRetryPolicy"),
    "GrpcRouteMatch": grpc_match,
    "Hostname": lambda maker: maker.text(1, 253, NAME),
    "HttpGatewayRouteMatch": http_match("HttpGatewayRouteMatch"),
    "HttpPathMatch": path_match,
    "HttpRetryPolicy": retry("HttpRetryPolicy"),
    "HttpRetryPolicyEvent": lambda maker: maker.one(EVENTS),
    "HttpRouteMatch": http_match("HttpRouteMatch"),
    "JsonValue": log_format(100),
    "MatchRange": match_range,
    "QueryParameterName": lambda maker: maker.text(1, 1024).encode()[:1024].decode(errors="ignore"),
    "RouteSpec": route,
    "TextFormat": log_format(1000),
    "VirtualGatewaySpec": virtual_gateway,
    "VirtualNodeSpec": virtual_node,
    "VirtualRouterSpec": virtual_router,
    "VirtualServiceSpec": virtual_service,
}


def case_of(maker: Maker, kinds: Sequence[str]) -> Case:
    """A valid spec of one of the kinds, and what it needs."""
    kind = maker.one(kinds)
    spec = maker.make(f"{kind}Spec")
    parent = "parent" if kind in ("Route", "GatewayRoute") else None
    return Case(kind, maker.name(), parent, spec, tuple(maker.neighbours))


MAKERS = st.integers(0, 2**64 - 1).map(lambda seed: Maker(Random(seed), BY_HAND))
"""One draw a case. Were each choice a draw, five of six cases would be Hypothesis's mutations of the sixth, and a few
thousand cases would cover what a few hundred do.
"""
CASES = MAKERS.map(lambda maker: case_of(maker, APP_MESH_KINDS))
