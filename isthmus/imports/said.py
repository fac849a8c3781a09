"""said: one resource in App Mesh's own words, and where it was said, so that a violation names file and resource."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.errors import Invalid, Violation
from isthmus.model.arn import Arn
from isthmus.model.key import PARENTS


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A resource of a file: `mesh.yaml: VirtualNode shop/front`."""

    file: str
    resource: str

    def at(self, pointer: str = "") -> str:
        """The place with a JSON pointer into what stands there."""
        return f"{self.file}: {self.resource}{' ' if pointer else ''}{pointer}"

    def violation(self, pointer: str, code: str, detail: str) -> Violation:
        """A violation that names the place."""
        return Violation(self.at(pointer), code, detail)


@dataclass(frozen=True, slots=True)
class Said:
    """A resource as App Mesh's API would be told it; of kind Mesh, `name` is the mesh's."""

    place: Place
    mesh: str
    kind: str
    name: str
    spec: Any
    parent: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """The document, not checked yet."""
        parent = {} if self.parent is None else {"parent": self.parent}
        return {"kind": self.kind, "name": self.name} | parent | {"spec": self.spec, "tags": dict(self.tags)}


def name_of(text: str, kind: str) -> str | None:
    """The name of the resource of a kind that an App Mesh ARN names or lies in; None for any other ARN.

    What is no ARN at all is taken for the name: App Mesh's own backends are given by either (appmesh.md §3.5).
    """
    if not text.startswith("arn:"):
        return text
    try:
        arn = Arn.parse(text)
    except Invalid:
        return None
    named = {"Mesh": arn.mesh, PARENTS.get(arn.key.kind): arn.key.parent, arn.key.kind: arn.key.name}
    return named.get(kind)
