"""ineffective: what a definition says that has no effect yet, or none where it stands.

A list of what *is* effective, not of what is not: a field that nobody has thought of is reported, never passed over.
What depends on other documents (a target of the wrong protocol, a backend that does not exist yet) follows it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from isthmus.ir import access_logs, discovery, health, unconnected, unsecured
from isthmus.ir.addresses import resolvable
from isthmus.ir.matches import of_route
from isthmus.ir.mesh import Compared, Ineffective
from isthmus.ir.said import Said
from isthmus.ir.services import askable, request_port
from isthmus.model.document import Spec
from isthmus.model.key import Key
from isthmus.model.kinds.gateway_route import GatewayRouteSpec
from isthmus.model.kinds.route import HttpRouteMatch, RouteSpec, TcpRoute
from isthmus.model.kinds.topology import BindingSpec, PlacementSpec
from isthmus.model.kinds.transport import TransportSpec
from isthmus.model.kinds.virtual_gateway import VirtualGatewaySpec
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.model.kinds.virtual_service import VirtualServiceSpec
from isthmus.model.structure import Structure

Shape = bool | str | Mapping[str, Any]
"""True: effective. A text: why it is not. A mapping, by Python name: as its members say."""

_NO_CLIENT = (
    "a virtual gateway's clients are outside the mesh, so no Envoy would make this check:"
    " set it at what stands before the gateway, such as a load balancer"
)
_FOUND = "workloads are found by the instances file only"

_ALL = True
_ROUTE: Shape = {"action": _ALL, "match": _ALL, "retry_policy": _ALL, "timeout": _ALL}

EFFECTIVE: Mapping[str, Shape] = {
    "Mesh": {
        "egress_filter": {"type": _ALL},
        "service_discovery": {"ip_preference": _ALL},
    },
    "VirtualNode": {
        "backend_defaults": _ALL,
        "backends": _ALL,
        "listeners": {
            "port_mapping": _ALL,
            "timeout": {"http": _ALL, "http2": _ALL, "grpc": _ALL, "tcp": _ALL},
            "connection_pool": _ALL,
            "outlier_detection": _ALL,
            "health_check": _ALL,
            "tls": _ALL,
        },
        "logging": _ALL,
        "service_discovery": _ALL,
    },
    "VirtualService": {"provider": _ALL},
    "VirtualRouter": {"listeners": {"port_mapping": _ALL}},
    "Route": {
        "http_route": _ROUTE,
        "http2_route": _ROUTE,
        "grpc_route": _ROUTE,
        "tcp_route": {"action": _ALL, "match": _ALL, "timeout": _ALL},
        "priority": _ALL,
    },
    "VirtualGateway": {
        "backend_defaults": _ALL,
        "listeners": {
            "port_mapping": _ALL,
            "connection_pool": _ALL,
            "health_check": _NO_CLIENT,
            "tls": _ALL,
        },
        "logging": _ALL,
    },
    "GatewayRoute": {"http_route": _ALL, "http2_route": _ALL, "grpc_route": _ALL, "priority": _ALL},
    "Attachment": _ALL,
    "ListenerCertificates": {"node": _ALL, "gateway": _ALL, "port": _ALL, "certificates": _ALL},
    "Placement": {"clusters": _ALL},
    "Transport": {"mode": _ALL},
    "Binding": {"node": _ALL, "gateway": _ALL, "match": {"file": _ALL, "k8s": _FOUND, "ecs": _FOUND, "iam": _FOUND}},
}


def _reduced(shape: Shape) -> Shape:
    """The same in fewer steps: what is effective in every member is effective."""
    if not isinstance(shape, Mapping):
        return shape
    members = {name: _reduced(of) for name, of in shape.items()}
    return True if all(of is True for of in members.values()) else members


_SHAPES = {kind: _reduced(shape) for kind, shape in EFFECTIVE.items()}


def of_mesh(said: Said) -> Iterator[Ineffective]:
    """What the mesh's own spec says without effect; pointers are into the document, `/spec/…`."""
    yield from _unread(Key("Mesh", said.mesh), said.spec, _SHAPES["Mesh"], "/spec")


def of_document(key: Key, spec: Spec, said: Said) -> Iterator[Ineffective]:
    """What one document says without effect."""
    shape = _SHAPES.get(key.kind, {})
    if shape is not True:
        yield from _unread(key, spec, shape, "/spec")
    among = _AMONG.get(key.kind)
    if among is not None:
        yield from among(key, spec, said)


def _unread(key: Key, value: Any, shape: Shape, pointer: str) -> Iterator[Ineffective]:  # noqa: ANN401 - any field's
    if isinstance(shape, str):
        yield Ineffective(key, pointer, shape)
    elif isinstance(value, Structure) and shape is not True:
        assert isinstance(shape, Mapping), "shapes are True, a text or a mapping"
        for name in value.model_fields_set:
            rule = shape.get(name, "this is not translated yet")
            if rule is not True:
                alias = type(value).model_fields[name].alias or name
                yield from _unread(key, getattr(value, name), rule, f"{pointer}/{alias}")
    elif isinstance(value, tuple):
        for i, element in enumerate(value):
            yield from _unread(key, element, shape, f"{pointer}/{i}")


def _called(key: Key, spec: VirtualNodeSpec, said: Said) -> Iterator[Ineffective]:
    """A backend may be named before it exists."""
    yield from access_logs.repeated(key, spec.logging)
    for i, backend in enumerate(spec.backends or ()):
        service = backend.virtual_service
        if service is not None and service.service not in said.services:
            at = f"/spec/backends/{i}/virtualService/virtualServiceName"
            yield Ineffective(key, at, f"there is no virtual service {service.service} yet")
    yield from discovery.without_effect(key.name, spec, said)
    yield from health.without_effect(key.name, spec)
    yield from unconnected.of_node(key, spec, said)
    yield from unsecured.of_node(key, spec, said)


def _inside(key: Key, spec: VirtualGatewaySpec, said: Said) -> Iterator[Ineffective]:
    yield from access_logs.repeated(key, spec.logging)
    yield from unsecured.of_gateway(key, spec, said)


def _providers(key: Key, spec: VirtualServiceSpec, said: Said) -> Iterator[Ineffective]:
    """Two services whose names differ in case only are one name to HTTP."""
    first = (said.alike.get(key.name.lower()) or (key.name,))[0]
    if not askable(key.name):
        yield Ineffective(key, "/name", "no request can ask for a host of this name")
    elif not resolvable(key.name):
        yield Ineffective(key, "/name", "DNS cannot be asked for this name: say it as Host, or call its address")
    if first != key.name:
        yield Ineffective(key, "/name", f"host names do not know case: virtual service {first} answers to this name")
    host, _, port = key.name.rpartition(":")
    other = unconnected.provider(host, said) if port.isdigit() else None
    if other is not None and len(other.request_ports) > 1 and int(port) in other.request_ports:
        yield Ineffective(key, "/name", f"this name asks for port {port} of virtual service {host}")
    if spec.provider is None or unconnected.provider(key.name, said) is None:
        return
    provider = spec.provider.key
    if provider.kind == "VirtualNode" and not said.nodes[provider.name].ports:
        reason = f"virtual node {provider.name} has no listener, so nothing answers"
        yield Ineffective(key, "/spec/provider", reason)


def _targets(key: Key, spec: RouteSpec, said: Said) -> Iterator[Ineffective]:
    if isinstance(spec.route, TcpRoute):
        yield from unconnected.of_route(key, spec, said)
        return
    yield from _tunnels(key, spec)
    router = said.routers.get(key.parent or "")
    for chosen in spec.chosen if router is None or not router.ports else ():
        if chosen.route.match.port is not None:
            reason = f"virtual router {key.parent} has no listener, so every port will do"
            yield Ineffective(key, f"/spec/{chosen.member}/match/port", reason)
    for pointer, target in spec.targets:
        if request_port(target, None, said) is None:
            reason = f"virtual node {target.virtual_node} has no listener that an HTTP route can lead to"
            yield Ineffective(key, pointer, reason)


def _tunnels(key: Key, spec: RouteSpec) -> Iterator[Ineffective]:
    """CONNECT has no path and no query, so what asks for one is asked for by nothing."""
    for chosen in spec.chosen:
        match = chosen.route.match
        if isinstance(match, HttpRouteMatch) and match.method == "CONNECT":
            said = of_route(match)
            if (said.how, said.path, said.queries) != (Compared.PREFIX, "/", ()):
                reason = "CONNECT requests have no path and no query, so this matches none of them"
                yield Ineffective(key, f"/spec/{chosen.member}/match", reason)


def _entries(key: Key, spec: GatewayRouteSpec, said: Said) -> Iterator[Ineffective]:
    for chosen in spec.chosen:
        if getattr(chosen.route.match, "method", None) == "CONNECT":
            reason = "virtual gateways open no tunnels: whoever reaches one could pass it by"
            yield Ineffective(key, f"/spec/{chosen.member}/match/method", reason)
    yield from unconnected.of_gateway_route(key, spec, said)


def _placed(key: Key, spec: PlacementSpec, said: Said) -> Iterator[Ineffective]:
    """Placements and bindings outlive what they name, and are without effect until it comes back."""
    if key.name not in said.nodes:
        yield Ineffective(key, "/name", f"there is no virtual node {key.name}")
    for i, cluster in enumerate(spec.clusters):
        if cluster not in said.attached:
            yield Ineffective(key, f"/spec/clusters/{i}", f"cluster {cluster} does not take part in the mesh")


def _guarded(key: Key, _spec: TransportSpec, said: Said) -> Iterator[Ineffective]:
    """It lasts, too."""
    if key.name not in said.nodes:
        yield Ineffective(key, "/name", f"there is no virtual node {key.name}")


def _bound(key: Key, spec: BindingSpec, said: Said) -> Iterator[Ineffective]:
    if spec.node is not None and spec.node not in said.nodes:
        yield Ineffective(key, "/spec/node", f"there is no virtual node {spec.node}")
    if spec.gateway is not None and spec.gateway not in said.gateways:
        yield Ineffective(key, "/spec/gateway", f"there is no virtual gateway {spec.gateway}")


_AMONG: Mapping[str, Callable[[Key, Any, Said], Iterator[Ineffective]]] = {
    "VirtualNode": _called,
    "VirtualGateway": _inside,
    "VirtualService": _providers,
    "Route": _targets,
    "GatewayRoute": _entries,
    "ListenerCertificates": unsecured.of_certificates,
    "Placement": _placed,
    "Transport": _guarded,
    "Binding": _bound,
}
"""What a kind's documents may say in vain because of what stands around them."""
