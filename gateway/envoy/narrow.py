"""narrow: which part of a refused view Envoy refuses, because its words often name nothing (`missing ]: [`).

By trying: clusters alone; each listener without routes and with its slots as discovered; then what goes into it, a
virtual host, a route, a slot, by halves. What was found is left out and the search goes on, so that one run tells
everything, up to a limit. A route's clusters stand in as empty ones, so that a refused cluster is told once and not by
every route to it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2

from isthmus.xds.consistency import wanted
from isthmus.xds.snapshot import Resource, Type

T = TypeVar("T")
View = Sequence[Resource]
Refused = Callable[[View], str]
"""Envoy's words about a view; empty if it accepts it."""

MOST = 10
"""Culprits told of one view."""


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


def culprits(view: View, refused: Refused, words: str) -> tuple[Culprit, ...]:
    """What Envoy refuses in a view that it refused with `words`; the view as a whole if no part is refused alone."""
    found = [*_clusters(view, refused)]
    for listener in _of(view, Type.LISTENER):
        found += _listener(listener, view, refused)
        if len(found) >= MOST:
            break
    unique = {(c.type, c.name, c.inner): c for c in reversed(found)}
    return tuple(sorted(unique.values()))[:MOST] or (Culprit(words=words),)


def part(view: View, culprit: Culprit) -> View | None:
    """As little of a view as shows whether it has that fault; None if it has no such part any more."""
    if culprit.type == Type.CLUSTER:
        return [r for r in _of(view, Type.CLUSTER) if r.name == culprit.name] or None
    listeners = [r for r in _of(view, Type.LISTENER) if r.name == culprit.listener]
    if not listeners:
        return None
    if culprit.type == Type.LISTENER:
        return listeners
    inside = [r for r in view if r.type == culprit.type and r.name == culprit.name]
    if culprit.inner:
        inside = [kept for r in inside if (kept := _only(r, culprit.inner)) is not None]
    return [*listeners, *inside, *_empty_clusters(inside)] if inside else None


def _of(view: View, kind: Type) -> list[Resource]:
    return [r for r in view if r.type == kind]


def smallest(parts: Sequence[T], refused: Callable[[Sequence[T]], str]) -> Sequence[T]:
    """Of parts that are refused together, a few that are: one, unless it takes several to be refused."""
    kept = list(parts)
    size = len(kept) // 2
    while size >= 1:
        for start in range(0, len(kept), size):
            without = kept[:start] + kept[start + size :]
            if without and refused(without):
                kept = without
                break
        else:
            size //= 2
            continue
        size = min(size, len(kept) // 2)
    return kept


def _each(parts: Sequence[T], refused: Callable[[Sequence[T]], str]) -> Iterator[tuple[T, str]]:
    """Every smallest refused set among the parts, one after another, with the words about it."""
    left, told = list(parts), 0
    while left and told < MOST and refused(left):
        bad = smallest(left, refused)
        words = refused(bad)
        for each in bad:
            yield each, words
        told += 1
        left = [each for each in left if each not in bad]


def _clusters(view: View, refused: Refused) -> Iterator[Culprit]:
    for resource, words in _each(_of(view, Type.CLUSTER), refused):
        yield Culprit(resource.type, resource.name, words=words)


def _listener(listener: Resource, view: View, refused: Refused) -> Iterator[Culprit]:
    """The listener itself, or else the tables and slots that it refers to."""
    words = refused([listener])
    if words:
        yield Culprit(listener.type, listener.name, "", listener.name, words)
        return
    referred = {tuple(each) for each in wanted(listener)}
    inside = [r for r in view if (r.type, r.name) in referred]
    for slot, said in _each(_of(inside, Type.EXTENSION), lambda slots: refused([listener, *slots])):
        yield Culprit(slot.type, slot.name, "", listener.name, said)
    for table in _of(inside, Type.ROUTES):
        yield from _table(table, listener, refused)


def _table(table: Resource, listener: Resource, refused: Refused) -> Iterator[Culprit]:
    """Virtual hosts that are refused without any route, or together; then the routes of those that are not."""
    message = route_pb2.RouteConfiguration.FromString(table.body)

    def tried(hosts: Iterable[route_components_pb2.VirtualHost]) -> str:
        made = _table_of(message, hosts)
        return refused([listener, made, *_empty_clusters([made])])

    bare = [route_components_pb2.VirtualHost(name=h.name, domains=h.domains) for h in message.virtual_hosts]
    bad = {h.name for h, _ in _each(bare, tried)}
    for host, words in _each(bare, tried):
        yield Culprit(table.type, table.name, host.name, listener.name, words)
    for host in message.virtual_hosts:
        if host.name not in bad:
            for route, words in _each(list(host.routes), lambda routes, host=host: tried([_host_of(host, routes)])):  # type: ignore[misc]
                yield Culprit(table.type, table.name, route.name, listener.name, words)


def _host_of(
    host: route_components_pb2.VirtualHost, routes: Iterable[route_components_pb2.Route]
) -> route_components_pb2.VirtualHost:
    out = route_components_pb2.VirtualHost()
    out.CopyFrom(host)
    del out.routes[:]
    out.routes.extend(routes)
    return out


def _table_of(table: route_pb2.RouteConfiguration, hosts: Iterable[route_components_pb2.VirtualHost]) -> Resource:
    out = route_pb2.RouteConfiguration()
    out.CopyFrom(table)
    del out.virtual_hosts[:]
    out.virtual_hosts.extend(hosts)
    return Resource(Type.ROUTES, table.name, out.SerializeToString(deterministic=True))


def _only(table: Resource, inner: str) -> Resource | None:
    """A table with nothing but the virtual host of that name, without routes, or but the routes of that name."""
    message = route_pb2.RouteConfiguration.FromString(table.body)
    hosts = []
    for host in message.virtual_hosts:
        routes = [route for route in host.routes if route.name == inner]
        if routes or host.name == inner:
            hosts.append(_host_of(host, routes))
    return _table_of(message, hosts) if hosts else None


def _empty_clusters(tables: Iterable[Resource]) -> list[Resource]:
    """Clusters that are nothing but there, for the routes that lead to them."""
    led_to = {each.name for table in tables for each in wanted(table) if each.type == Type.CLUSTER}
    return [Resource(Type.CLUSTER, name, cluster_pb2.Cluster(name=name).SerializeToString()) for name in sorted(led_to)]
