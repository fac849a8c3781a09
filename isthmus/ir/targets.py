"""targets: where a route of a router stands among the others, and which port of a node each of its targets means."""

from collections.abc import Sequence

from isthmus.model.kinds.route import RouteSpec, WeightedTarget

LAST = 1001
"""Below the lowest priority (1000) come the routes that say none; App Mesh documents no order for these."""


def priority(spec: RouteSpec) -> int:
    """0 comes first."""
    return LAST if spec.priority is None else spec.priority


def target_port(target: WeightedTarget, port: int | None, listened: Sequence[int]) -> int | None:
    """The port of the node that a target means: the one it says, the router's own, or the first; None if none fits.

    `listened`: the node's ports that such a route can lead to.
    """
    if target.port is not None:
        return target.port if target.port in listened else None
    return port if port in listened else next(iter(listened), None)
