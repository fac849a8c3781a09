"""shared: a route whose requests go to backends by weight, joined from its parts.

A mesh has more of these than of anything else but endpoints, and what they say beside their name and their weights is
the same for most. The bytes are those of protobuf (tests/unit/xds/test_joined.py).
"""

from collections.abc import Iterable
from functools import lru_cache

from envoy.config.route.v3 import route_components_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from isthmus.ir.mesh import Target
from isthmus.xds import names
from isthmus.xds.joined import field, numbers

_Share = route_components_pb2.WeightedCluster.ClusterWeight


def route(name: str, match: bytes, action: bytes, without: str = "") -> bytes:
    """A route; `without`: a header that is taken off its requests."""
    removed = field(_REMOVED, without.encode()) if without else b""
    return b"".join((field(_MATCH, match), field(_ACTION, action), removed, field(_NAME, name.encode())))


def among(targets: Iterable[Target], by: str | None, rest: bytes) -> bytes:
    """An action that leads to the targets by weight; `by`: as called by one service alone, if it is said.

    `rest`: what else it says, of which nothing may be of where it leads.
    """
    weights: dict[str, int] = {}
    for target in targets:
        backend = names.backend(target.node, target.port, by)
        weights[backend] = weights.get(backend, 0) + target.weight
    if len(weights) == 1:
        return field(_CLUSTER, next(iter(weights)).encode()) + rest
    shares = [field(_SHARES, field(_BACKEND, backend.encode()) + _weight(w)) for backend, w in weights.items()]
    return field(_WEIGHTED, b"".join(shares)) + rest


@lru_cache(maxsize=1024)
def _weight(weight: int) -> bytes:
    body: bytes = _Share(weight=UInt32Value(value=weight)).SerializeToString(deterministic=True)
    return body


_MATCH, _ACTION, _REMOVED, _NAME = numbers(
    route_components_pb2.Route, "match", "route", "request_headers_to_remove", "name"
)
_CLUSTER, _WEIGHTED = numbers(route_components_pb2.RouteAction, "cluster", "weighted_clusters")
(_SHARES,) = numbers(route_components_pb2.WeightedCluster, "clusters")
(_BACKEND,) = numbers(_Share, "name")
