"""plaintext: who here calls what without the mesh's mutual TLS, and which instances are the reason.

Taken from what proxies are told, not from what was meant: a pair is a proxy whose backend may be plaintext, and an
endpoint of that backend that is. So every reason counts (an instance without a proxy, one whose proxy has acked nothing
yet, an Envoy of App Mesh's image on either side), and the switch to strict can be refused while it would cut
something off (design-notes 26). It would take away instances, too, that are called in App Mesh's own TLS because they
have no proxy: these pairs are said apart.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from gateway.agent.plans import NODE, PROXYLESS, Image, Plain, Plan, Shared
from gateway.proto import link_pb2 as link
from isthmus.xds.directory import Backend
from isthmus.xds.without_proxy import Way

NAMED = 50
"""Instances that are named of a pair: who has mended these sees the next."""


class _Pair(NamedTuple):
    kind: str
    caller: str
    backend: str


def pairs(mesh: str, plans: Iterable[Plan], shared: Shared, plain: Plain | None) -> Iterator[link.Plaintext]:
    """The pairs of one mesh in this cluster, in order. `plain`: what images call, where there are any."""
    theirs = plain.bare if plain else {}
    instances: dict[_Pair, set[str]] = defaultdict(set)
    called: dict[_Pair, set[Way]] = defaultdict(set)
    for plan in plans if shared.bare or theirs else ():
        if plan.state.mesh == mesh:
            bare = theirs if isinstance(plan.recipe, Image) else shared.bare
            for backend in plan.bare.keys() & bare.keys():
                pair = _Pair(_KINDS.get(plan.state.role, plan.state.role), plan.state.node, backend)
                instances[pair] |= bare[backend]
                called[pair].add(plan.bare[backend])
    for pair in sorted(instances):
        yield _said(pair, shared.directory.backends[pair.backend], instances[pair], called[pair])


_KINDS = {PROXYLESS: NODE}
"""What an application without a proxy is of."""


def _said(pair: _Pair, to: Backend, instances: Iterable[str], called: Collection[Way]) -> link.Plaintext:
    """Plaintext, if it is called so by any."""
    named = sorted(instances)[:NAMED]
    said = link.Plaintext(caller=pair.caller, caller_kind=pair.kind, node=to.node, port=to.port, instances=named)
    said.app_mesh_tls = Way.PLAINTEXT not in called
    return said
