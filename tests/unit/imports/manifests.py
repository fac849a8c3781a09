"""manifests: a small shop as the controller's Kubernetes resources; a test says only what it is about."""

from collections.abc import Mapping
from typing import Any

import yaml

from isthmus.imports.crd import read_crds
from isthmus.imports.definitions import Imported
from isthmus.model.definition import Definition
from isthmus.model.document import Key

API = "appmesh.k8s.aws/v1beta2"
Json = Any


def resource(kind: str, name: str, spec: Json, *, namespace: str | None = "shop", api: str = API, **rest: Json) -> Json:
    """Any Kubernetes resource; `rest` goes to its metadata."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {}) | rest
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def mesh(name: str = "shop", **spec: Json) -> Json:
    """A mesh for every namespace."""
    return resource("Mesh", name, {"namespaceSelector": {}} | spec, namespace=None)


def node(name: str = "front", *, namespace: str = "shop", **spec: Json) -> Json:
    """A node that listens for http on 8080."""
    listening = {"listeners": [{"portMapping": {"port": 8080, "protocol": "http"}}]}
    return resource("VirtualNode", name, listening | spec, namespace=namespace)


def service(name: str = "cart", *, namespace: str = "shop", **spec: Json) -> Json:
    """A service, provided by nothing unless told."""
    return resource("VirtualService", name, spec, namespace=namespace)


def router(*routes: Json, name: str = "cart") -> Json:
    """A router for http on 8080."""
    listeners = [{"portMapping": {"port": 8080, "protocol": "http"}}]
    return resource("VirtualRouter", name, {"listeners": listeners, "routes": list(routes)})


def route(name: str, *targets: Json, **match: Json) -> Json:
    """An http route."""
    return {
        "name": name,
        "httpRoute": {"match": match or {"prefix": "/"}, "action": {"weightedTargets": list(targets)}},
    }


def gateway(name: str = "ingress", **spec: Json) -> Json:
    """A gateway for http on 8088."""
    listening = {"namespaceSelector": {}, "listeners": [{"portMapping": {"port": 8088, "protocol": "http"}}]}
    return resource("VirtualGateway", name, listening | spec)


def gateway_route(name: str = "all", *, labels: Mapping[str, str] | None = None, **spec: Json) -> Json:
    """A gateway route to the service `cart`."""
    target = {"virtualService": {"virtualServiceRef": {"name": "cart"}}}
    http = {"httpRoute": {"match": {"prefix": "/"}, "action": {"target": target}}}
    return resource("GatewayRoute", name, http | spec, labels=dict(labels or {}))


def backend(name: str, namespace: str | None = None) -> Json:
    """A backend by reference."""
    return {"virtualService": {"virtualServiceRef": {"name": name} | ({"namespace": namespace} if namespace else {})}}


def read(*resources: Json, mesh: str | None = None, with_bindings: bool = False) -> Imported:
    """What one file with these resources says."""
    return read_crds([("shop.yaml", yaml.safe_dump_all(resources))], mesh, with_bindings=with_bindings)


def only(imported: Imported) -> Definition:
    """The one definition."""
    (definition,) = imported.definitions
    return definition


def spec(imported: Imported, kind: str, name: str, parent: str | None = None) -> Json:
    """The spec of a document of the one mesh."""
    return only(imported).documents[Key(kind, name, parent)].spec.json_object()


def fields(imported: Imported) -> dict[str, int]:
    """What was left out, and how often."""
    counts: dict[str, int] = {}
    for (field, _), times in imported.notes.left_out.items():
        counts[field] = counts.get(field, 0) + times
    return counts
