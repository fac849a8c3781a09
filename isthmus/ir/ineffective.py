"""ineffective: what a definition says that has no effect yet, or none where it stands.

A list of what *is* effective, not of what is not: a field that nobody has thought of is reported, never passed over.
What depends on other documents (a target of the wrong protocol, a backend that does not exist yet) follows it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from isthmus.ir import access_logs
from isthmus.ir.mesh import Ineffective
from isthmus.ir.said import Said
from isthmus.ir.services import askable, target_port
from isthmus.model.definition import Definition
from isthmus.model.key import Key
from isthmus.model.kinds.route import TcpRoute
from isthmus.model.structure import Structure, members

Shape = bool | str | Mapping[str, Any]
"""True: effective. A text: why it is not. A mapping, by Python name: as its members say."""

_TLS = "App Mesh's own TLS settings are not applied yet; the mesh's mutual TLS is"
_TCP = "TCP services are not routed yet: they need an address of their own"
_HEALTH = "active health checks are not made yet; outlier detection and the agents' view of instances are"
_DISCOVERY = "instances come from bindings; addresses in DNS and Cloud Map are not resolved yet"
_EGRESS = "requests to what is not in the mesh are not let out yet"
_FOUND = "workloads are found by the instances file only"

_ALL = True
_ROUTE: Shape = {"action": _ALL, "match": _ALL, "retry_policy": _ALL, "timeout": _ALL}

EFFECTIVE: Mapping[str, Shape] = {
    "Mesh": {
        "egress_filter": {"type": _ALL},
        "service_discovery": _DISCOVERY,
    },
    "VirtualNode": {
        "backend_defaults": _TLS,
        "backends": {"virtual_service": {"virtual_service_name": _ALL, "client_policy": _TLS}},
        "listeners": {
            "port_mapping": _ALL,
            "timeout": {"http": _ALL, "http2": _ALL, "grpc": _ALL, "tcp": _ALL},
            "connection_pool": _ALL,
            "outlier_detection": _ALL,
            "health_check": _HEALTH,
            "tls": _TLS,
        },
        "logging": _ALL,
        "service_discovery": _DISCOVERY,
    },
    "VirtualService": {"provider": _ALL},
    "VirtualRouter": {"listeners": {"port_mapping": _ALL}},
    "Route": {
        "http_route": _ROUTE,
        "http2_route": _ROUTE,
        "grpc_route": _ROUTE,
        "tcp_route": _TCP,
        "priority": _ALL,
    },
    "VirtualGateway": {
        "backend_defaults": _TLS,
        "listeners": {
            "port_mapping": _ALL,
            "connection_pool": "limits of a gateway's own listeners are not applied yet",
            "health_check": "a gateway's own health check is not made yet",
            "tls": _TLS,
        },
        "logging": _ALL,
    },
    "GatewayRoute": {"http_route": _ALL, "http2_route": _ALL, "grpc_route": _ALL, "priority": _ALL},
    "Attachment": _ALL,
    "Placement": {"clusters": _ALL},
    "Binding": {"node": _ALL, "gateway": _ALL, "match": {"file": _ALL, "k8s": _FOUND, "ecs": _FOUND, "iam": _FOUND}},
}


def found(definition: Definition, said: Said, attached: frozenset[str]) -> Iterator[Ineffective]:
    """Everything without effect in a definition; pointers are into the document, `/spec/…`."""
    mesh = Key("Mesh", definition.name)
    yield from _unread(mesh, definition.spec, EFFECTIVE["Mesh"], "/spec")
    if definition.spec.egress_filter is not None and definition.spec.egress_filter.type == "ALLOW_ALL":
        yield Ineffective(mesh, "/spec/egressFilter/type", _EGRESS)
    for key, document in definition.documents.items():
        yield from _unread(key, document.spec, EFFECTIVE.get(key.kind, {}), "/spec")
        yield from access_logs.repeated(key, getattr(document.spec, "logging", None))
    yield from _callers(said)
    yield from _providers(said)
    yield from _targets(said)
    yield from _tunnels(said)
    yield from _places(said, attached)


def _unread(key: Key, value: Any, shape: Shape, pointer: str) -> Iterator[Ineffective]:  # noqa: ANN401 - any field's
    if shape is True:
        return
    if isinstance(shape, str):
        yield Ineffective(key, pointer, shape)
    elif isinstance(value, Structure):
        assert isinstance(shape, Mapping), "shapes are True, a text or a mapping"
        for name, alias in members(type(value)):
            if name in value.model_fields_set:
                rule = shape.get(name, "this is not translated yet")
                yield from _unread(key, getattr(value, name), rule, f"{pointer}/{alias}")
    elif isinstance(value, tuple):
        for i, element in enumerate(value):
            yield from _unread(key, element, shape, f"{pointer}/{i}")


def _callers(said: Said) -> Iterator[Ineffective]:
    """A backend may be named before it exists; two services whose names differ in case only are one name to HTTP."""
    for node, spec in said.nodes.items():
        for i, backend in enumerate(spec.backends or ()):
            service = backend.virtual_service
            if service is not None and service.service not in said.services:
                at = f"/spec/backends/{i}/virtualService/virtualServiceName"
                yield Ineffective(Key("VirtualNode", node), at, f"there is no virtual service {service.service} yet")
    first: dict[str, str] = {}
    for name in sorted(said.services):
        other = first.setdefault(name.lower(), name)
        if not askable(name):
            yield Ineffective(Key("VirtualService", name), "/name", "no request can ask for a host of this name")
        if other != name:
            reason = f"host names do not know case: virtual service {other} answers to this name"
            yield Ineffective(Key("VirtualService", name), "/name", reason)


def _providers(said: Said) -> Iterator[Ineffective]:
    for name, spec in said.services.items():
        if spec.provider is None:
            continue
        provider = spec.provider.key
        listed = said.nodes if provider.kind == "VirtualNode" else said.routers
        ports = listed[provider.name].ports if provider.name in listed else ()
        tcp = [m for m in ports if m.protocol == "tcp"]
        if tcp and len(tcp) == len(ports):
            yield Ineffective(Key("VirtualService", name), "/spec/provider", _TCP)
        elif not ports and provider.kind == "VirtualNode":
            reason = f"virtual node {provider.name} has no listener, so nothing answers"
            yield Ineffective(Key("VirtualService", name), "/spec/provider", reason)


def _targets(said: Said) -> Iterator[Ineffective]:
    for router, routes in said.routes.items():
        for name, spec in routes.items():
            if isinstance(spec.route, TcpRoute):
                continue
            for pointer, target in spec.targets:
                if target_port(target, None, said) is None:
                    reason = f"virtual node {target.virtual_node} has no listener that an HTTP route can lead to"
                    yield Ineffective(Key("Route", name, router), pointer, reason)


def _tunnels(said: Said) -> Iterator[Ineffective]:
    """CONNECT has no path, so no prefix matches it; it needs a matcher of its own."""
    for kind, parents in (("Route", said.routes), ("GatewayRoute", said.gateway_routes)):
        for parent, routes in parents.items():
            for name, spec in routes.items():
                for chosen in spec.chosen:
                    if getattr(chosen.route.match, "method", None) == "CONNECT":
                        at = f"/spec/{chosen.member}/match/method"
                        yield Ineffective(Key(kind, name, parent), at, "CONNECT requests are not routed yet")


def _places(said: Said, attached: frozenset[str]) -> Iterator[Ineffective]:
    """These outlive what they name, and are without effect until it comes back."""
    for node, placement in said.placements.items():
        if node not in said.nodes:
            yield Ineffective(Key("Placement", node), "/name", f"there is no virtual node {node}")
        for i, cluster in enumerate(placement.clusters):
            if cluster not in attached:
                reason = f"cluster {cluster} does not take part in the mesh"
                yield Ineffective(Key("Placement", node), f"/spec/clusters/{i}", reason)
    for name, binding in said.bindings.items():
        if binding.node is not None and binding.node not in said.nodes:
            yield Ineffective(Key("Binding", name), "/spec/node", f"there is no virtual node {binding.node}")
        if binding.gateway is not None and binding.gateway not in said.gateways:
            yield Ineffective(Key("Binding", name), "/spec/gateway", f"there is no virtual gateway {binding.gateway}")
