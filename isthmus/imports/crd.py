"""crd: the Kubernetes controller's resources (`appmesh.k8s.aws/v1beta2`) as the API calls it would have made of them.

Names, references and membership are the controller's (appmesh.md §4.4). A router's routes become documents of their
own, a backend group becomes the backends of the nodes that use it, and what the API server would prune is pruned.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from isthmus.errors import Invalid
from isthmus.imports.backend_groups import expanded
from isthmus.imports.bindings import SELECTOR, bindings, unbound
from isthmus.imports.definitions import Imported, imported
from isthmus.imports.fitting import pruned
from isthmus.imports.kubernetes import GROUP, Files, Resource, resources
from isthmus.imports.loose import mapping, string
from isthmus.imports.membership import Cluster, aws_name, gateway_of, mesh_of
from isthmus.imports.notes import NO_FIELD, Notes
from isthmus.imports.references import References
from isthmus.imports.said import Place, Said
from isthmus.model.reading import Findings

API = f"{GROUP}/v1beta2"
KINDS = ("Mesh", "VirtualNode", "VirtualService", "VirtualRouter", "VirtualGateway", "GatewayRoute")
_MEMBERSHIP = "it chose mesh and gateway, which the documents now name"
ELSEWHERE = {
    "awsName": "it is the document's name",
    "meshRef": _MEMBERSHIP,
    "virtualGatewayRef": _MEMBERSHIP,
    "namespaceSelector": _MEMBERSHIP,
    "gatewayRouteSelector": _MEMBERSHIP,
    "backendGroups": "its services are among the node's backends",
    "meshOwner": "the mesh will be your account's own",
}
"""Fields of the resources that App Mesh's specs have not, and where their meaning is now."""


def read_crds(files: Files, mesh: str | None = None, *, with_bindings: bool = False) -> Imported:
    """The meshes that manifest files describe; `mesh` is for resources that do not say theirs. Raises Invalid."""
    notes, found = Notes(), Findings()
    cluster = Cluster(resources(files, notes, found), mesh)
    said = [each for resource in cluster.resources for each in _told(resource, cluster, notes, found)]
    found.refuse()
    said += bindings(said, cluster, notes) if with_bindings else unbound(cluster, notes)
    return imported(said, notes)


def _told(resource: Resource, cluster: Cluster, notes: Notes, found: Findings) -> Sequence[Said]:
    """What one resource says, nothing if it is not App Mesh's."""
    if not resource.api.startswith(f"{GROUP}/"):
        notes.skip(f"{resource.api} {resource.kind}")
    elif resource.api != API:
        found.all.append(resource.place.violation("/apiVersion", "not_one_of", f"only {API} is read"))
    elif resource.kind in KINDS:
        _note(resource, notes)
        return found.of(lambda: list(_converted(resource, cluster, notes, found))) or ()
    elif resource.kind == "BackendGroup":
        notes.leave_out("kind BackendGroup", "its services are among the backends of the nodes that use it")
    else:
        notes.skip(f"{resource.api} {resource.kind}")
    return ()


def _note(resource: Resource, notes: Notes) -> None:
    """What of a resource is in no document, beside what its spec holds of unknown fields."""
    for field in ("labels", "annotations"):
        if resource.metadata.get(field):
            notes.leave_out(f"metadata.{field}", "Kubernetes' own; the controller made no tags of them")
    if "status" in resource.raw:
        notes.leave_out("status", "what App Mesh answered")
    for field in ELSEWHERE.keys() & resource.spec.keys():
        notes.leave_out(field, ELSEWHERE[field])


def _converted(resource: Resource, cluster: Cluster, notes: Notes, found: Findings) -> Iterator[Said]:
    """A resource's document, and those of the routes in it."""
    if not isinstance(resource.raw.get("spec", {}), dict):
        raise Invalid([resource.place.violation("/spec", "wrong_type", "must be an object")])
    name = aws_name(resource)
    mesh = name if resource.kind == "Mesh" else mesh_of(resource, cluster)
    parent = gateway_of(resource, mesh, cluster) if resource.kind == "GatewayRoute" else None
    spec = _spec(resource, cluster, References(resource, cluster, notes, found))
    routes = spec.pop("routes", None) or [] if resource.kind == "VirtualRouter" else []
    own = Said(resource.place, mesh, resource.kind, name, _fitted(resource.kind, spec, notes), parent)
    yield own
    if not isinstance(routes, list):
        raise Invalid([resource.place.violation("/spec/routes", "wrong_type", "must be an array")])
    for i, route in enumerate(routes):
        yield _route(mapping(route), i, own, notes)


def _route(raw: Mapping[str, Any], index: int, router: Said, notes: Notes) -> Said:
    """A router's route as a document of its own; its name is its own too."""
    place = Place(router.place.file, f"{router.place.resource} /spec/routes/{index}")
    name = string(raw.get("name"))
    if name is None:
        raise Invalid([place.violation("/name", "missing", "a route needs a name")])
    spec = {member: value for member, value in raw.items() if member != "name"}
    return Said(place, router.mesh, "Route", name, _fitted("Route", spec, notes), router.name)


def _spec(resource: Resource, cluster: Cluster, references: References) -> dict[str, Any]:
    """The spec with names for references, without what App Mesh has no word for."""
    kept = {member: value for member, value in resource.spec.items() if member not in {*ELSEWHERE, SELECTOR}}
    spec: dict[str, Any] = references.named(kept, "/spec")
    if "meshServiceDiscovery" in spec:
        spec["serviceDiscovery"] = spec.pop("meshServiceDiscovery")
    backends = spec.get("backends") or []
    if resource.spec.get("backendGroups") and isinstance(backends, list):
        spec["backends"] = list(expanded(backends, resource, cluster, references))
    return spec


def _fitted(kind: str, spec: dict[str, Any], notes: Notes) -> Any:  # noqa: ANN401 - not checked yet
    fitted, unknown = pruned(kind, spec)
    for field in unknown:
        notes.leave_out(field, f"{NO_FIELD}; the API server would drop it too")
    return fitted
