"""families: which families of IP addresses are used, and in which order, where a mesh or a node says so.

App Mesh's `ipPreference` (appmesh.md §3.5). Unsaid is another thing than either: listeners are at IPv4 alone then, and
names are looked up in both families, IPv6 first.
"""

from isthmus.ir.said import Said
from isthmus.model.kinds.mesh import IpPreference
from isthmus.model.kinds.virtual_node import VirtualNodeSpec

Families = tuple[int, ...]
"""Of IP (4, 6), the preferred one first; no other is used. Empty if nothing is said."""

IPV6 = 6
UNSAID: Families = ()
FAMILIES: dict[IpPreference, Families] = {
    "IPv6_PREFERRED": (6, 4),
    "IPv4_PREFERRED": (4, 6),
    "IPv4_ONLY": (4,),
    "IPv6_ONLY": (6,),
}


def of_mesh(said: Said) -> Families:
    """What holds where a node does not say it."""
    discovery = said.spec.service_discovery
    return UNSAID if discovery is None or discovery.ip_preference is None else FAMILIES[discovery.ip_preference]


def of_node(spec: VirtualNodeSpec, said: Said) -> Families:
    """The node's own, else the mesh's."""
    own = spec.service_discovery.chosen[1].ip_preference if spec.service_discovery is not None else None
    return of_mesh(said) if own is None else FAMILIES[own]
