"""build: valid meshes in one line. A test says only what it is about; the rest is chosen to fit together.

Everything passes through the model's own parsing, so what a test builds is what a tenant could have sent. `**spec` adds
members to a document's spec, in App Mesh's own JSON.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.model.definition import Definition, parse_definition
from isthmus.model.document import Document, parse_document

SERVICE, ROUTER, GATEWAY = "colors.local", "router", "ingress"
Json = Any


def document(kind: str, name: str, spec: Json, *, parent: str | None = None, tags: Json = None) -> Document:
    """Any document."""
    raw = {"kind": kind, "name": name, "spec": spec}
    return parse_document(raw | ({"parent": parent} if parent else {}) | ({"tags": tags} if tags else {}))


def node(
    name: str = "blue",
    *,
    port: int | None = 8080,
    protocol: str = "http",
    ports: Mapping[int, str] | None = None,
    backends: Sequence[str] = (),
    listener: Json = None,
    tags: Json = None,
    **spec: Json,
) -> Document:
    """A virtual node with one listener, or those of `ports`, or (`port=None`) none; `listener` adds to each."""
    mappings = ports if ports is not None else {port: protocol} if port else {}
    listeners = [{"portMapping": {"port": p, "protocol": kind}} | (listener or {}) for p, kind in mappings.items()]
    made: Json = {"listeners": listeners} if listeners else {}
    if backends:
        made["backends"] = [{"virtualService": {"virtualServiceName": backend}} for backend in backends]
    return document("VirtualNode", name, made | spec, tags=tags)


def service(name: str = SERVICE, *, node: str | None = None, router: str | None = None, tags: Json = None) -> Document:
    """A virtual service provided by a node or a router, or by nothing."""
    provider: Json = {}
    if node:
        provider = {"provider": {"virtualNode": {"virtualNodeName": node}}}
    if router:
        provider = {"provider": {"virtualRouter": {"virtualRouterName": router}}}
    return document("VirtualService", name, provider, tags=tags)


def router(
    name: str = ROUTER, *, port: int = 8080, protocol: str = "http", ports: Mapping[int, str] | None = None
) -> Document:
    """A virtual router with one listener, or those of `ports`."""
    mappings = ports if ports is not None else {port: protocol}
    return document("VirtualRouter", name, {"listeners": _listeners(mappings)})


def route(
    name: str = "all",
    *,
    router: str = ROUTER,
    targets: Mapping[str, int] | Sequence[Json] | None = None,
    protocol: str = "http",
    prefix: str | None = "/",
    match: Json = None,
    priority: int | None = None,
    **route: Json,
) -> Document:
    """A route. `targets` is {node: weight} or weighted targets as JSON; `match` replaces the prefix; `**route` adds."""
    weights = {"blue": 100} if targets is None else targets
    weighted = (
        [{"virtualNode": n, "weight": w} for n, w in weights.items()] if isinstance(weights, Mapping) else weights
    )
    matching = match if match is not None else {"prefix": prefix} if prefix and protocol in ("http", "http2") else {}
    spec: Json = {f"{protocol}Route": {"action": {"weightedTargets": weighted}, "match": matching} | route}
    if priority is not None:
        spec["priority"] = priority
    return document("Route", name, spec, parent=router)


def gateway(
    name: str = GATEWAY,
    *,
    port: int = 9080,
    protocol: str = "http",
    ports: Mapping[int, str] | None = None,
    **spec: Json,
) -> Document:
    """A virtual gateway with one listener, or those of `ports`."""
    mappings = ports if ports is not None else {port: protocol}
    return document("VirtualGateway", name, {"listeners": _listeners(mappings)} | spec)


def gateway_route(
    name: str = "all",
    *,
    gateway: str = GATEWAY,
    service: str = SERVICE,
    protocol: str = "http",
    prefix: str | None = "/",
    match: Json = None,
    target_port: int | None = None,
    rewrite: Json = None,
    priority: int | None = None,
) -> Document:
    """A gateway route to a service. `match` replaces the prefix."""
    target: Json = {"virtualService": {"virtualServiceName": service}}
    if target_port:
        target["port"] = target_port
    matching = match if match is not None else {"prefix": prefix} if prefix and protocol != "grpc" else {}
    action = {"target": target} | ({"rewrite": rewrite} if rewrite is not None else {})
    spec: Json = {f"{protocol}Route": {"action": action, "match": matching}}
    if priority is not None:
        spec["priority"] = priority
    return document("GatewayRoute", name, spec, parent=gateway)


def attachment(cluster: str = "east") -> Document:
    """A cluster that takes part."""
    return document("Attachment", cluster, {})


def placement(node: str = "blue", *clusters: str) -> Document:
    """Where a node may run; in east if nothing is said."""
    return document("Placement", node, {"clusters": list(clusters or ("east",))})


def transport(node: str = "blue", mode: str = "strict") -> Document:
    """Whether a node may be called in plaintext, whatever its mesh says."""
    return document("Transport", node, {"mode": mode})


def binding(
    name: str = "blue",
    *,
    node: str | None = None,
    gateway: str | None = None,
    file: str | None = None,
    match: Json = None,
) -> Document:
    """What a node or a gateway is; of the instance named like the binding if nothing is said."""
    who = {"gateway": gateway} if gateway else {"node": node or name}
    return document("Binding", name, who | {"match": match if match is not None else {"file": file or name}})


def definition(
    *documents: Document, name: str = "shop", spec: Json = None, settings: Json = None, tags: Json = None
) -> Definition:
    """A mesh of these documents, in this order."""
    resources = [each.json() for each in documents]
    raw = {"kind": "Mesh", "name": name, "spec": spec or {}, "settings": settings or {}, "tags": tags or {}}
    return parse_definition(raw | {"resources": resources})


def mesh(
    *more: Document,
    name: str = "shop",
    targets: Mapping[str, int] | None = None,
    clusters: Sequence[str] = ("east", "west"),
    spec: Json = None,
    settings: Json = None,
) -> Definition:
    """A whole mesh that works: ingress → colors.local → the targets (blue and green, half each), called by `front` too.

    Every node and the gateway are bound to the file instances of their own names; a document of `more` replaces the one
    with its key, or adds to them.
    """
    shares = {"blue": 50, "green": 50} if targets is None else targets
    made = [
        *(attachment(cluster) for cluster in clusters),
        node("front", backends=[SERVICE]),
        *(node(target) for target in shares),
        router(),
        route(targets=shares),
        service(router=ROUTER),
        gateway(),
        gateway_route(),
        *(binding(bound) for bound in ("front", *shares)),
        binding(GATEWAY, gateway=GATEWAY),
    ]
    keyed = {each.key: each for each in (*made, *more)}
    return definition(*keyed.values(), name=name, spec=spec, settings=settings)


def _listeners(mappings: Mapping[int, str]) -> list[Json]:
    return [{"portMapping": {"port": port, "protocol": protocol}} for port, protocol in mappings.items()]
