"""kubernetes: manifest files as the resources a cluster would hold after `kubectl apply -f DIR`.

Lists (`kubectl get -o yaml`) are opened. A resource that stands twice is what it was said to be last, because that is
what kubectl makes of it; where the two differ, a note tells.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.errors import Invalid
from isthmus.imports.loose import mapping, string
from isthmus.imports.notes import Notes
from isthmus.imports.said import Place
from isthmus.model.files import decode
from isthmus.model.reading import Findings

GROUP = "appmesh.k8s.aws"
CLUSTER_WIDE = ("Mesh", "Namespace")
DEFAULT = "default"
PLACEHOLDER = "${"
"""How manifests are often written before a shell fills them in."""
Files = Iterable[tuple[str, str]]
"""(name, text)."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One Kubernetes resource; `namespace` is empty for those that have none."""

    place: Place
    api: str
    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    raw: Mapping[str, Any]

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec, empty if there is none."""
        return mapping(self.raw, "spec")

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What Kubernetes keeps about it."""
        return mapping(self.raw, "metadata")

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What may be there once."""
        return self.api, self.kind, self.namespace, self.name


def resources(files: Files, notes: Notes, found: Findings) -> list[Resource]:
    """Every resource of the files, each once, in order."""
    held: dict[tuple[str, str, str, str], Resource] = {}
    for file, text in files:
        for raw in _opened(_decoded(file, text, notes, found)):
            resource = _resource(file, raw, notes, found)
            if resource is None:
                continue
            before = held.pop(resource.key, None)
            if before is not None and before.raw != resource.raw:
                notes.remark(f"{before.place.at()} is replaced by what {file} says later, as kubectl would do")
            held[resource.key] = resource
    return list(held.values())


def _decoded(file: str, text: str, notes: Notes, found: Findings) -> list[Any]:
    """A file that cannot be read matters only if it may speak of App Mesh."""
    if GROUP in text and PLACEHOLDER in text:
        notes.remark(f"{file} has {PLACEHOLDER}…}} in it, which is taken as it is: fill it in first, as with envsubst")
    try:
        return decode(text)
    except Invalid as invalid:
        if GROUP in text:
            found.all += [violation.under(f"{file}: ") for violation in invalid.violations]
        else:
            notes.skip("a file that is neither YAML nor JSON")
        return []


def _opened(raw: Iterable[Any]) -> Iterator[Any]:
    for each in raw:
        listed = isinstance(each, dict) and str(each.get("kind", "")).endswith("List")
        yield from each["items"] if listed and isinstance(each.get("items"), list) else (each,)


def _resource(file: str, raw: Any, notes: Notes, found: Findings) -> Resource | None:  # noqa: ANN401 - decoded
    if not isinstance(raw, dict) or not isinstance(raw.get("kind"), str) or "apiVersion" not in raw:
        notes.skip("a document that is no Kubernetes resource")
        return None
    api, kind, metadata = str(raw["apiVersion"]), raw["kind"], mapping(raw, "metadata")
    name = string(metadata.get("name"))
    if name is None:
        if api.startswith(f"{GROUP}/"):
            found.all.append(Place(file, kind).violation("/metadata/name", "missing", "has no name"))
        notes.skip(f"{api} {kind}")
        return None
    namespace = "" if kind in CLUSTER_WIDE else _namespace(api, metadata, notes)
    place = Place(file, f"{kind} {namespace}{'/' if namespace else ''}{name}")
    return Resource(place, api, kind, namespace, name, mapping(metadata, "labels"), raw)


def _namespace(api: str, metadata: Mapping[str, Any], notes: Notes) -> str:
    said = string(metadata.get("namespace"))
    if said is None and api.startswith(f"{GROUP}/"):
        notes.remark(f"resources without a namespace are taken to be in {DEFAULT!r}, as kubectl does")
    return said or DEFAULT
