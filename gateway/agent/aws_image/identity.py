"""identity: what an Envoy of App Mesh's image calls itself (`node.id`): its resource, as an ARN or the ARN's last part.

It is a claim: who may make it is decided from the account that signed and from where the resource is placed.
"""

import re
from dataclasses import dataclass
from typing import Self

from isthmus.errors import Invalid

_FORM = re.compile(
    r"(?:arn:aws[a-z-]*:appmesh:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):)?"
    r"mesh/(?P<mesh>[^/@]+)(?:@(?P<owner>\d{12}))?/virtual(?P<role>Node|Gateway)/(?P<of>[^/]+)"
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A virtual node or gateway (`role`, `of`) of a mesh. The other members are empty where the name leaves them out.

    `owner`: the mesh's account, which App Mesh writes behind the name of a shared mesh.
    """

    mesh: str
    role: str
    of: str
    region: str = ""
    account: str = ""
    owner: str = ""

    @classmethod
    def parse(cls, node_id: str) -> Self:
        """`mesh/M/virtualNode/N`, `mesh/M/virtualGateway/G` or the whole ARN of one; Invalid for anything else."""
        found = _FORM.fullmatch(node_id)
        if found is None:
            wanted = "mesh/MESH/virtualNode/NODE, mesh/MESH/virtualGateway/GATEWAY or the ARN of one"
            raise Invalid.one("/node/id", "not_a_resource", f"{node_id[:200]!r} must be {wanted}")
        said = {name: value or "" for name, value in found.groupdict().items()}
        return cls(**(said | {"role": said["role"].lower()}))
