"""widened: a port that is to be served otherwise is served both ways until its callers have followed.

TLS that comes or goes, clients that are to be validated, HTTP that becomes TCP: callers in other clusters follow a
phase later, and those beside it not at the same moment either. So while a rollout expands and shifts, the listener has
the new chains and those of the old ones that are for callers whom no new chain is for, with all that they refer to.
App Mesh's image has one chain for a port, or PERMISSIVE's two, so its callers are served both ways by that alone.

A chain that stays and says something else says it at once: two cannot be for the same callers. So a certificate, or
whom a port trusts, is exchanged by trusting both for a while, as everywhere.

Envoy looks at names first and never goes back. So where some chains of the mesh are for its SNIs, all of them are.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from isthmus.xds import names
from isthmus.xds.consistency import wanted
from isthmus.xds.snapshot import Parts, Ref, Resource, Type


class Widened(NamedTuple):
    """What a view serves in between, and the listeners in it that no snapshot has."""

    serving: tuple[Ref, ...]
    listeners: tuple[Resource, ...] = ()


def differing(before: Parts, after: Parts) -> Iterator[str]:
    """The versions that `widened` must read."""
    for pair in _changed(before, after):
        yield from (ref.version for ref in pair)
    for ref in (*_ended(before, after), *_exchanged(before, after)):
        yield ref.version


def widened(serving: Iterable[Ref], before: Parts, after: Parts, bodies: Mapping[str, Resource]) -> Widened:
    """`serving`: what `snapshot.union` says; `bodies`: those of `differing`, by version."""
    kept = {(r.type, r.name): r for r in serving}
    old = {(r.type, r.name): r for r in before.serving}
    made = []
    for was, now in _changed(before, after):
        both = joined(bodies[now.version], bodies[was.version])
        if both.ref != now:
            made.append(both)
            kept[both.type, both.name] = both.ref
            kept |= {(w.type, w.name): old[w.type, w.name] for w in wanted(both) if tuple(w) not in kept}
            kept |= {(r.type, r.name): r for r in _called_by_both(now, before, after, bodies)}
    needed = {(r.type, r.name) for r in after.serving}
    listening = (*made, *(bodies[r.version] for r in _ended(before, after)))
    needed |= {(w.type, w.name) for each in listening for w in wanted(each)}
    left = (ref for key, ref in kept.items() if ref.type != Type.SECRET or key in needed)
    return Widened(tuple(sorted(left)), tuple(made))


def joined(base: Resource, other: Resource) -> Resource:
    """`base`, and the chains of `other` for callers that none of its own is for; `base` itself if there are none."""
    message, more = (listener_pb2.Listener.FromString(each.body) for each in (base, other))
    called = {chain.name for chain in message.filter_chains}
    taken = {each for chain in message.filter_chains for each in _callers(chain)}
    lacking = [c for c in more.filter_chains if c.name not in called and taken.isdisjoint(_callers(c))]
    if not lacking:
        return base
    message.filter_chains.extend(lacking)
    if more.continue_on_listener_filters_timeout:
        message.continue_on_listener_filters_timeout = True
        message.listener_filters_timeout.CopyFrom(more.listener_filters_timeout)
    return Resource(base.type, base.name, message.SerializeToString(deterministic=True))


def _callers(chain: listener_components_pb2.FilterChain) -> Iterator[tuple[str, str, str]]:
    """Whom a chain is for, as Envoy sees it: it refuses a listener that has one of these twice."""
    match = chain.filter_chain_match
    for sni in match.server_names or ("",):
        for alpn in match.application_protocols or ("",):
            yield match.transport_protocol, sni, alpn


def _called_by_both(listener: Ref, before: Parts, after: Parts, bodies: Mapping[str, Resource]) -> Iterator[Ref]:
    """The application as requests call it, where its port has both: to connections of TCP the difference is nothing."""
    app = Type.CLUSTER, names.app(names.listened_port(listener.name, "inbound") or 0)
    pair = [ref for parts in (before, after) for ref in parts.serving if (ref.type, ref.name) == app]
    said = [cluster_pb2.Cluster.FromString(bodies[r.version].body).typed_extension_protocol_options for r in pair]
    if said[0] and not said[1]:
        yield pair[0]


def _changed(before: Parts, after: Parts) -> list[tuple[Ref, Ref]]:
    """The listeners of ports that a node had and has, but otherwise."""
    now = {ref.name: ref for ref in after.serving if ref.type == Type.LISTENER}
    was = (ref for ref in before.serving if ref.type == Type.LISTENER)
    return [(ref, now[ref.name]) for ref in was if ref.name in now and ref != now[ref.name]]


def _exchanged(before: Parts, after: Parts) -> Iterator[Ref]:
    """The applications behind these, as they were and are."""
    apps = {names.app(names.listened_port(ref.name, "inbound") or 0) for ref, _ in _changed(before, after)}
    yield from (r for parts in (before, after) for r in parts.serving if r.type == Type.CLUSTER and r.name in apps)


def _ended(before: Parts, after: Parts) -> list[Ref]:
    """The listeners that are no more, if any certificate is no more."""
    now = {(ref.type, ref.name) for ref in after.serving}
    gone = [ref for ref in before.serving if (ref.type, ref.name) not in now]
    return [r for r in gone if r.type == Type.LISTENER] if any(r.type == Type.SECRET for r in gone) else []
