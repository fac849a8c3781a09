"""words: how App Mesh spells its kinds in members, paths and lists."""

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.model.key import PARENTS

APP_MESH_KINDS = (
    "Mesh", "VirtualNode", "VirtualService", "VirtualRouter", "Route", "VirtualGateway", "GatewayRoute",
)  # fmt: skip
"""The kinds that App Mesh's operations are named for."""


@dataclass(frozen=True, slots=True)
class Word:
    """One kind's spellings: `VirtualNode` is `virtualNode`, its name `virtualNodeName`, its list `virtualNodes`."""

    kind: str

    @property
    def member(self) -> str:
        """As a member of an answer, and as a segment of an ARN."""
        return self.kind[0].lower() + self.kind[1:]

    @property
    def name(self) -> str:
        """The member that holds its name, in JSON."""
        return f"{self.member}Name"

    @property
    def field(self) -> str:
        """The same in Python."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in self.name)

    @property
    def plural(self) -> str:
        """Its list, in answers and in paths."""
        return "meshes" if self.kind == "Mesh" else f"{self.member}s"


def owners(kind: str) -> Sequence[Word]:
    """What a thing of this kind lies in: the mesh, and for routes their router or gateway."""
    if kind == "Mesh":
        return ()
    parent = PARENTS.get(kind)
    return (Word("Mesh"), Word(parent)) if parent else (Word("Mesh"),)
