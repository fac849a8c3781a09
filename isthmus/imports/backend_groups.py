"""backend groups: the controller's lists of services, expanded as it expanded them: App Mesh has no such kind."""

from collections.abc import Iterator, Sequence
from typing import Any

from isthmus.errors import Invalid
from isthmus.imports.kubernetes import Resource
from isthmus.imports.loose import items, mapping
from isthmus.imports.membership import Cluster, reference
from isthmus.imports.references import References

EVERY = "*"
"""The group of all services of a namespace."""


def expanded(backends: Sequence[Any], node: Resource, cluster: Cluster, references: References) -> Iterator[Any]:
    """A node's backends, and those of its groups that are not among them. Raises Invalid if a group is missing."""
    yield from backends
    names = {mapping(backend, "virtualService").get("virtualServiceName") for backend in backends}
    for i, group in enumerate(items(node.spec.get("backendGroups"))):
        pointer = f"/spec/backendGroups/{i}"
        for service in _members(group, node, cluster, pointer):
            name = references.name("virtualService", service, pointer)
            if name not in names:
                names.add(name)
                yield {"virtualService": {"virtualServiceName": name}}


def _members(group: Any, node: Resource, cluster: Cluster, pointer: str) -> list[Any]:  # noqa: ANN401 - decoded
    """A reference, with its namespace, to each service of a group."""
    at = reference(group, node)
    if at is not None and at[1] == EVERY:
        inside = (service for service in cluster.of("VirtualService") if service.namespace == at[0])
        return [{"namespace": service.namespace, "name": service.name} for service in inside]
    found = cluster.find("BackendGroup", *at) if at else None
    if found is None:
        raise Invalid([node.place.violation(pointer, "unresolved", "this backend group is not in the files")])
    return [{"namespace": found.namespace, **mapping(service)} for service in items(found.spec.get("virtualservices"))]
