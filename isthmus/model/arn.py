"""arn: App Mesh's names of resources (appmesh.md §2.2); our own kinds have the same form.

The account is the resource's owner, which in a shared mesh may not be the mesh's. A slash in a name is escaped, so that
every ARN of ours can be read back. `mesh/NAME@ACCOUNT` says whose the mesh is, as AWS wrote it for shared meshes.
"""

import re
from dataclasses import dataclass

from isthmus.errors import Invalid
from isthmus.model.key import PARENTS, Key
from isthmus.model.operations.words import APP_MESH_KINDS, Word

_ARN = re.compile(r"arn:aws[a-z-]*:appmesh:([a-z0-9-]+):(\d{12}):mesh/([^/@]+)(?:@(\d{12}))?(?:/(.+))?", re.DOTALL)
_SEGMENTS = {Word(kind).member: kind for kind in APP_MESH_KINDS if kind != "Mesh"}


@dataclass(frozen=True, slots=True)
class Arn:
    """What an ARN names. `owner` is the resource's, `mesh_owner` the mesh's where the ARN says it."""

    region: str
    owner: str
    mesh: str
    key: Key
    mesh_owner: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Arn":
        """Invalid if it is no ARN of App Mesh."""
        found = _ARN.fullmatch(text)
        key = _key(found[3], found[5]) if found else None
        if found is None or key is None:
            raise Invalid.one("/resourceArn", "not_an_arn", f"{text!r} is not the ARN of an App Mesh resource")
        return cls(found[1], found[2], _plain(found[3]), key, found[4])


def arn(region: str, owner: str, mesh: str, key: Key) -> str:
    """The ARN of a resource."""
    base = f"arn:aws:appmesh:{region}:{owner}:mesh/{_escaped(mesh)}"
    if key.kind == "Mesh":
        return base
    parent = PARENTS.get(key.kind)
    within = f"/{Word(parent).member}/{_escaped(key.parent or '')}" if parent else ""
    return f"{base}{within}/{Word(key.kind).member}/{_escaped(key.name)}"


def _key(mesh: str, rest: str | None) -> Key | None:
    """The key in the part after the mesh."""
    parts = [] if rest is None else rest.split("/")
    match [_SEGMENTS.get(part, "") if i % 2 == 0 else _plain(part) for i, part in enumerate(parts)]:
        case []:
            return Key("Mesh", _plain(mesh))
        case [kind, name] if kind and kind not in PARENTS:
            return Key(kind, name)
        case [parent, of, kind, name] if kind and PARENTS.get(kind) == parent:
            return Key(kind, name, of)
    return None


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F").replace("@", "%40")


def _plain(text: str) -> str:
    return text.replace("%40", "@").replace("%2F", "/").replace("%25", "%")
