"""narrow: which part of a refused view Envoy refuses, because its words often name nothing (`missing ]: [`).

By trying each part alone: clusters; listeners without routes and with their slots as discovered; then whatever goes
into a listener: a slot, a virtual host, a route. So everything that is wrong is told, and told where it is. A route's
clusters stand in as empty ones, so that a refused cluster is told once and not by every route to it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import NamedTuple, TypeAlias

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2

from isthmus.xds.consistency import wanted
from isthmus.xds.snapshot import Resource, Type

View = Sequence[Resource]
Verdicts = Callable[[Sequence[View]], Sequence[str]]
"""Envoy's words about each of several views; empty for one that it accepts."""

_Host: TypeAlias = route_components_pb2.VirtualHost


class Culprit(NamedTuple):
    """A resource, or with `inner` a virtual host or a route in it, and what Envoy says of it.

    `listener` is where it was tried: what a route or slot goes into. All are empty if no part is refused by itself.
    """

    type: str = ""
    name: str = ""
    inner: str = ""
    listener: str = ""
    words: str = ""

    @property
    def called(self) -> str:
        """The most exact name, which leads back to what made it."""
        return self.inner or self.name


def culprits(view: View, verdicts: Verdicts, words: str) -> tuple[Culprit, ...]:
    """What Envoy refuses in a view that it refused with `words`; the view as a whole if no part is refused alone."""
    listeners = _of(view, Type.LISTENER)
    found = [Culprit(r.type, r.name, words=w) for r, w in _refused(_of(view, Type.CLUSTER), verdicts)]
    bad = list(_refused(listeners, verdicts))
    found += [Culprit(r.type, r.name, "", r.name, w) for r, w in bad]
    for listener in listeners:
        if listener not in [r for r, _ in bad]:
            found += _inside(listener, view, verdicts)
    unique: dict[tuple[str, str], Culprit] = {}
    for culprit in found:  # a service's routes are in `outbound` first, and then at each of its addresses
        unique.setdefault((culprit.type, culprit.called), culprit)
    return tuple(unique.values()) or (Culprit(words=words),)


def part(view: View, culprit: Culprit) -> View | None:
    """As little of a view as shows whether it has that fault; None if it has no such part any more."""
    if not culprit.type:
        return view
    named = [r for r in view if r.type == culprit.type and r.name == culprit.name]
    if culprit.inner:
        named = [kept for r in named if (kept := _only(r, culprit.inner)) is not None]
    if not culprit.listener or culprit.type == Type.LISTENER:
        return named or None
    into = [r for r in _of(view, Type.LISTENER) if r.name == culprit.listener]
    return [*into, *named, *_empty_clusters(named)] if into and named else None


def _of(view: View, kind: Type) -> list[Resource]:
    return [r for r in view if r.type == kind]


def _refused(parts: Sequence[Resource], verdicts: Verdicts, *around: Resource) -> Iterator[tuple[Resource, str]]:
    said = verdicts([[*around, part, *_empty_clusters([part])] for part in parts])
    return compress(zip(parts, said, strict=True), said)


def _inside(listener: Resource, view: View, verdicts: Verdicts) -> Iterator[Culprit]:
    """The tables and slots that a listener refers to, which is accepted without them."""
    referred = {tuple(each) for each in wanted(listener)}
    inside = [r for r in view if (r.type, r.name) in referred]
    for slot, words in _refused(_of(inside, Type.EXTENSION), verdicts, listener):
        yield Culprit(slot.type, slot.name, "", listener.name, words)
    for table, words in _refused(_of(inside, Type.ROUTES), verdicts, listener):
        parts = dict(_parts(route_pb2.RouteConfiguration.FromString(table.body)))
        found = dict(_refused(list(parts), verdicts, listener))
        hosts = {parts[piece].host for piece in found if not parts[piece].route}
        told = {p: w for p, w in found.items() if not parts[p].route or parts[p].host not in hosts}
        for piece, said in told.items():
            yield Culprit(table.type, table.name, parts[piece].route or parts[piece].host, listener.name, said)
        if not told:
            yield Culprit(table.type, table.name, "", listener.name, words)


class _Piece(NamedTuple):
    """A virtual host without routes, or with one."""

    host: str
    route: str = ""


def _parts(table: route_pb2.RouteConfiguration) -> Iterator[tuple[Resource, _Piece]]:
    """Tables with one piece each, and which it is."""
    for host in table.virtual_hosts:
        yield _table([_with(host, ())], table), _Piece(host.name)
        for route in host.routes:
            yield _table([_with(host, [route])], table), _Piece(host.name, route.name)


def _with(host: _Host, routes: Iterable[route_components_pb2.Route]) -> _Host:
    out = _Host()
    out.CopyFrom(host)
    del out.routes[:]
    out.routes.extend(routes)
    return out


def _table(hosts: Iterable[_Host], of: route_pb2.RouteConfiguration) -> Resource:
    out = route_pb2.RouteConfiguration()
    out.CopyFrom(of)
    del out.virtual_hosts[:]
    out.virtual_hosts.extend(hosts)
    return Resource(Type.ROUTES, of.name, out.SerializeToString(deterministic=True))


def _only(table: Resource, inner: str) -> Resource | None:
    """A table with nothing but the virtual host of that name, without routes, or but the routes of that name."""
    message = route_pb2.RouteConfiguration.FromString(table.body)
    hosts = []
    for host in message.virtual_hosts:
        routes = [route for route in host.routes if route.name == inner]
        if routes or host.name == inner:
            hosts.append(_with(host, routes))
    return _table(hosts, message) if hosts else None


def _empty_clusters(tables: Iterable[Resource]) -> list[Resource]:
    """Clusters that are nothing but there, for the routes that lead to them."""
    led_to = {each.name for r in tables if r.type == Type.ROUTES for each in wanted(r) if each.type == Type.CLUSTER}
    made = (cluster_pb2.Cluster(name=name) for name in sorted(led_to) if name)
    return [Resource(Type.CLUSTER, each.name, each.SerializeToString(deterministic=True)) for each in made]
