"""membership: the mesh a Kubernetes resource belongs to, and the gateway a gateway route does.

The controller's webhooks decide it by the labels of namespaces (appmesh.md §4.4) and write it down as `meshRef` and
`virtualGatewayRef`, which files taken from a cluster have and files from a repository have not. Where the labels are
not in the files either, one candidate is enough; among several we do not guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.errors import Invalid
from isthmus.imports.kubernetes import Resource
from isthmus.imports.labels import Labels, selects
from isthmus.imports.loose import mapping, string

OWN_NAME = "kubernetes.io/metadata.name"
"""The label that Kubernetes itself gives every namespace."""


@dataclass(frozen=True)
class Cluster:
    """What the files say is in the cluster, and the mesh that the caller names."""

    resources: Sequence[Resource]
    mesh: str | None = None

    def find(self, kind: str, namespace: str, name: str) -> Resource | None:
        """A resource by its Kubernetes name."""
        return next((r for r in self.of(kind) if (r.namespace, r.name) == (namespace, name)), None)

    def of(self, kind: str) -> list[Resource]:
        """All of a kind."""
        return [resource for resource in self.resources if resource.kind == kind]

    def labels(self, namespace: str) -> Labels | None:
        """A namespace's labels, None if the files do not have the namespace."""
        found = self.find("Namespace", "", namespace)
        return None if found is None else {OWN_NAME: namespace, **found.labels}


def aws_name(resource: Resource) -> str:
    """What a resource is called in its mesh (appmesh.md §4.4)."""
    given = string(resource.spec.get("awsName"))
    if given:
        return given
    if resource.kind == "Mesh":
        return resource.name
    return f"{resource.name}{'.' if resource.kind == 'VirtualService' else '_'}{resource.namespace}"


def mesh_of(resource: Resource, cluster: Cluster) -> str:
    """The name of the mesh. Raises Invalid if the files and the caller leave it open."""
    named = string(mapping(resource.spec, "meshRef").get("name")) or cluster.mesh
    if named:
        mesh = cluster.find("Mesh", "", named)
        return aws_name(mesh) if mesh else named
    candidates = _narrowed(cluster.of("Mesh"), cluster.labels(resource.namespace), "namespaceSelector")
    if len(candidates) == 1:
        return aws_name(candidates[0])
    raise _open(resource, "mesh", candidates, "say which with --mesh NAME, or add the Namespaces with their labels")


def gateway_of(route: Resource, mesh: str, cluster: Cluster) -> str:
    """The name of a gateway route's gateway. Raises Invalid if the files leave it open."""
    said = reference(route.spec.get("virtualGatewayRef"), route)
    if said is not None:
        gateway = cluster.find("VirtualGateway", *said)
        if gateway is None:
            detail = f"VirtualGateway {'/'.join(said)} is not in the files, so what App Mesh calls it cannot be told"
            raise Invalid([route.place.violation("/spec/virtualGatewayRef", "unresolved", detail)])
        return aws_name(gateway)
    inside = [gateway for gateway in cluster.of("VirtualGateway") if mesh_of(gateway, cluster) == mesh]
    candidates = _narrowed(inside, cluster.labels(route.namespace), "namespaceSelector")
    by_route = [g for g in candidates if selects(g.spec.get("gatewayRouteSelector", {}), route.labels)]
    if len(by_route) == 1:
        return aws_name(by_route[0])
    advice = "say which in /spec/virtualGatewayRef, or add the Namespaces with their labels"
    raise _open(route, "virtual gateway", by_route or inside, advice)


def _narrowed(candidates: list[Resource], labels: Labels | None, selector: str) -> list[Resource]:
    """Those whose selector picks the namespace; all, where its labels are not known, and the only one there is."""
    if labels is None or len(candidates) == 1:
        return candidates
    return [candidate for candidate in candidates if selects(candidate.spec.get(selector), labels)]


def _open(resource: Resource, what: str, candidates: Sequence[Resource], advice: str) -> Invalid:
    names = ", ".join(candidate.name for candidate in candidates)
    detail = f"cannot be told which {what} it belongs to ({names or 'none in the files'}): {advice}"
    return Invalid([resource.place.violation("", "unresolved", detail)])


def reference(raw: Any, referrer: Resource) -> tuple[str, str] | None:  # noqa: ANN401 - decoded
    """(namespace, name) of a `{name, namespace?}`; None if it is none."""
    name = string(mapping(raw).get("name"))
    return None if name is None else (string(mapping(raw).get("namespace")) or referrer.namespace, name)
