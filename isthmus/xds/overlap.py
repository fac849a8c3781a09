"""overlap: while callers move from an old way to a new one, both are there.

Of nodes these are the chains of a port (`isthmus.xds.widened`). Of gateways it is their own `outbound`.

A gateway has several route tables: `ingress/<port>` names a service, and `outbound`, to which it hands the request,
looks that name up. Envoy applies one table after the other, and a request may be between the two, so a service is known
in `outbound` a phase before `ingress` may name it, and forgotten a phase after the last that could (make before break,
docs/decisions/011). That table stands in no snapshot: it is joined from those of the old and the new one.

Only names are added: a service that both tables know has its old routes in expand and its new ones in shift, as it does
everywhere else. Where no name comes or goes, everything is as `compose` says.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from envoy.config.route.v3 import route_components_pb2, route_pb2

from isthmus.xds import names, widened
from isthmus.xds.snapshot import AGENT_VIEW, Manifest, Parts, Phase, Ref, Resource, Type, compose, union

_GATEWAYS, _NODES = "gateway/", "node/"
"""How the ids of their views begin."""


class Content(NamedTuple):
    """What a cluster is offered, and the tables and listeners in it that no snapshot has."""

    manifest: Manifest
    tables: tuple[Resource, ...] = ()


def differing(old: Manifest, new: Manifest) -> frozenset[str]:
    """The versions that `overlap` must read: of gateways' tables that differ, of nodes' ports that do."""
    tables = (ref.version for pair in _changed(old, new).values() for ref in pair)
    ports = (version for pair in _nodes(old, new).values() for version in widened.differing(*pair))
    return frozenset((*tables, *ports))


def overlap(phase: Phase, old: Manifest, new: Manifest, bodies: Mapping[str, Resource]) -> Content:
    """`compose`, with both services in each gateway's `outbound`, and the old and the new chains of each node's port.

    And with all that is needed to reach them.

    `bodies`: those of `differing`, by version.
    """
    composed = compose(phase, old, new)
    if phase is Phase.CONTRACT:
        return Content(composed)
    base, other = (old, new) if phase is Phase.EXPAND else (new, old)
    views, tables = dict(composed.views), {}
    for view, (standing, further) in _changed(base, other).items():
        table = joined(bodies[standing.version], bodies[further.version])
        if table.ref != standing:
            tables[view] = table
            reached = [ref for ref in other.views[view].calling if _behind_routes(ref)]
            views[view] = _calling(views[view], [table.ref], reached)
    made: list[Resource] = []
    for view, (before, after) in _nodes(old, new).items():
        wide = widened.widened(views[view].serving, before, after, bodies)
        made += wide.listeners
        views[view] = _serving(views[view], wide.serving)
    if tables:
        known = other.views.get(AGENT_VIEW, Parts()).calling
        told = _told_of((views[view] for view in tables), known)
        views[AGENT_VIEW] = _calling(views.get(AGENT_VIEW, Parts()), [], told)
    return Content(Manifest(views), (*tables.values(), *made))


def joined(base: Resource, other: Resource) -> Resource:
    """`base`, and what only `other` has: routes by header, and virtual hosts. `base` itself if that is nothing.

    Only tables of older compilers have virtual hosts besides the one for all names: their `ingress` asked by Host.
    """
    table, more = (route_pb2.RouteConfiguration.FromString(each.body) for each in (base, other))
    hosts, routes = list(_hosts_lacking(table, more)), list(_routes_lacking(table, more))
    if not hosts and not routes:
        return base
    for any_other in filter(_is_any_other, table.virtual_hosts):
        listed = sorted([*any_other.routes, *routes], key=lambda route: _asked(route) is None)
        del any_other.routes[:]
        any_other.routes.extend(listed)
    table.virtual_hosts.extend(hosts)
    return Resource(base.type, base.name, table.SerializeToString(deterministic=True))


def _changed(old: Manifest, new: Manifest) -> Mapping[str, tuple[Ref, Ref]]:
    """The two `outbound` tables of each gateway that had one and has another."""
    out = {}
    for view in sorted(old.views.keys() & new.views.keys()):
        if view.startswith(_GATEWAYS):
            before, after = _table(old.views[view]), _table(new.views[view])
            if before is not None and after is not None and before != after:
                out[view] = before, after
    return out


def _nodes(old: Manifest, new: Manifest) -> Mapping[str, tuple[Parts, Parts]]:
    """The nodes that were and are served, but otherwise."""
    both = {view: (old.views[view], new.views[view]) for view in sorted(old.views.keys() & new.views.keys())}
    return {v: pair for v, pair in both.items() if v.startswith(_NODES) and pair[0].serving != pair[1].serving}


def _serving(parts: Parts, serving: tuple[Ref, ...]) -> Parts:
    """A view that serves something else; a name that is in both halves is the serving one's."""
    taken = {(r.type, r.name) for r in serving}
    return Parts(serving, tuple(r for r in parts.calling if (r.type, r.name) not in taken))


def _table(parts: Parts) -> Ref | None:
    return next((r for r in parts.calling if (r.type, r.name) == (Type.ROUTES, names.OUTBOUND)), None)


def _behind_routes(ref: Ref) -> bool:
    """Whether a route may lead to it: all but route tables and what belongs to the gateway's own ports."""
    own = any(names.listened_port(ref.name, family) is not None for family in ("ingress", "self"))
    return ref.type != Type.ROUTES and not own


def _calling(parts: Parts, instead: Iterable[Ref], also: Iterable[Ref]) -> Parts:
    """A view with some of what it may call replaced, and what it lacks of `also`."""
    serving = {(r.type, r.name) for r in parts.serving}
    calling = union(also, (*parts.calling, *instead))
    return Parts(parts.serving, tuple(r for r in calling if (r.type, r.name) not in serving))


def _told_of(views: Iterable[Parts], known: Iterable[Ref]) -> Iterator[Ref]:
    """What the agent must know of the backends and the ways that are called."""
    called = {names.any_service(r.name) for parts in views for r in parts.calling if r.type == Type.CLUSTER}
    for ref in known:
        name = names.peer(ref.name) if ref.type == Type.PEER else ref.name
        if ref.type in (Type.BACKEND, Type.PEER) and name in called:
            yield ref


def _hosts_lacking(
    table: route_pb2.RouteConfiguration, more: route_pb2.RouteConfiguration
) -> Iterator[route_components_pb2.VirtualHost]:
    """Those of which no domain is taken, for Envoy refuses a domain twice."""
    taken = {domain.lower() for host in table.virtual_hosts for domain in host.domains}
    for host in more.virtual_hosts:
        if not _is_any_other(host) and not taken & {domain.lower() for domain in host.domains}:
            yield host


def _routes_lacking(
    table: route_pb2.RouteConfiguration, more: route_pb2.RouteConfiguration
) -> Iterator[route_components_pb2.Route]:
    """Those for names that `table` has no routes for: all routes of one name come from one table, or none do."""
    taken = {_asked(route) for host in filter(_is_any_other, table.virtual_hosts) for route in host.routes}
    for host in filter(_is_any_other, more.virtual_hosts):
        yield from (r for r in host.routes if (text := _asked(r)) is not None and text not in taken)


def _is_any_other(host: route_components_pb2.VirtualHost) -> bool:
    return "*" in host.domains


def _asked(route: route_components_pb2.Route) -> str | None:
    """What a route that is chosen by header is asked for by (`routes.by_header`, which puts that condition last)."""
    said = [h.string_match.exact for h in route.match.headers if h.name == names.MESH_SERVICE_HEADER]
    return said[-1] if said else None
