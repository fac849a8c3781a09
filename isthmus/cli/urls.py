"""urls: where a thing of a mesh is in `/v1`: the registry of kinds says its collection, names are escaped."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from isthmus.model.key import Key
from isthmus.model.kind import ResourceKind
from isthmus.model.kinds import KINDS
from isthmus.model.structure import Structure


def part(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def query(asked: Mapping[str, str]) -> str:
    """What stands after the question mark."""
    return urlencode(asked, quote_via=quote)


def mesh(name: str) -> str:
    """A mesh's path, below `/v1`."""
    return f"/meshes/{part(name)}"


def collection(kind: ResourceKind[Structure], of_mesh: str, parent: str | None) -> str:
    """The path of all of one kind; of one parent's, where the kind has parents."""
    under = f"{kind.parent_segment}/{part(parent)}/" if parent is not None else ""
    return f"{mesh(of_mesh)}/{under}{kind.segment}"


def single(key: Key, of_mesh: str) -> str:
    """One document's path; of kind Mesh, the mesh's own."""
    if key.kind == "Mesh":
        return mesh(key.name)
    return f"{collection(KINDS[key.kind], of_mesh, key.parent)}/{part(key.name)}"
