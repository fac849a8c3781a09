"""found: the ways in which a node's instances are found that no binding names: by a name in DNS, or in AWS Cloud Map.

Also what is asked: two nodes that say the same are asked for once.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Dns:
    """A host name, absolute, without its last dot. `families`: of IP, the preferred one first; no other is used.

    `single`: what answers is one load balancer, reached at one of its addresses; otherwise each address is an instance.
    """

    hostname: str
    single: bool
    families: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CloudMap:
    """A service of a namespace; its instances must have all of the `attributes` (key, value)."""

    namespace: str
    service: str
    attributes: tuple[tuple[str, str], ...]
    families: tuple[int, ...]


Discovery: TypeAlias = Dns | CloudMap
