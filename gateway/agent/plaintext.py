"""plaintext: who here calls what without mutual TLS, and which instances are the reason.

Taken from what proxies are told, not from what was meant: a pair is a proxy whose backend may be plaintext, and an
endpoint of that backend that is. So every reason counts (an instance without a proxy, one whose proxy has acked nothing
yet, an Envoy of App Mesh's image on either side), and the switch to strict can be refused while it would cut
something off (design-notes 26).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from gateway.agent.plans import Image, Plain, Plan, Shared
from gateway.proto import link_pb2 as link
from isthmus.xds.directory import Backend

NAMED = 50
"""Instances that are named of a pair: who has mended these sees the next."""


def pairs(mesh: str, plans: Iterable[Plan], shared: Shared, plain: Plain | None) -> Iterator[link.Plaintext]:
    """The pairs of one mesh in this cluster, in order. `plain`: what images call, where there are any."""
    theirs = plain.bare if plain else {}
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for plan in plans if shared.bare or theirs else ():
        if plan.state.mesh == mesh:
            bare = theirs if isinstance(plan.recipe, Image) else shared.bare
            for backend in plan.bare & bare.keys():
                found[plan.state.role, plan.state.node, backend] |= bare[backend]
    for (role, caller, backend), instances in sorted(found.items()):
        yield _said(role, caller, shared.directory.backends[backend], instances)


def _said(role: str, caller: str, called: Backend, instances: Iterable[str]) -> link.Plaintext:
    named = sorted(instances)[:NAMED]
    return link.Plaintext(caller=caller, caller_kind=role, node=called.node, port=called.port, instances=named)
