"""model: an Envoy as far as discovery goes: it warms, refuses, applies in part, lets go, and asks as Envoy 1.40 does.

What it does was measured (envoy.md §3–§6). It asserts what would cost requests in a real one: routes to a cluster that
it does not have, and a cluster taken away under routes that use it.
"""

from collections import deque

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2

from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Type
from tests.unit.ads.speaking import BAD, Request, Response, ack, asks, nack

CDS, EDS, LDS, RDS = Type.CLUSTER, Type.ENDPOINTS, Type.LISTENER, Type.ROUTES


class Envoy:
    """Between streams it keeps what it runs. `recorded` are versions that it will say it has."""

    def __init__(self) -> None:
        self.live: dict[Type, dict[str, bytes]] = {kind: {} for kind in (CDS, EDS, LDS, RDS)}
        self.recorded: dict[Type, dict[str, str]] = {kind: {} for kind in (CDS, EDS, LDS, RDS)}
        self.warming: set[str] = set()
        self.inbox: deque[Response] = deque()
        self.outbox: deque[Request] = deque()
        self._late: list[Request] = []
        self._watched: set[str] = set()
        self._asked: set[Type] = set()

    def connect(self) -> None:
        """A new stream: it says what it has, and asks for everything again. Endpoints that it has need no new ones."""
        self.inbox.clear()
        self.outbox.clear()
        self._late.clear()
        self._asked.clear()
        self.warming &= self._eds_clusters() - self.live[EDS].keys()
        self._first(CDS)
        self._watched = self._eds_clusters()
        if self._watched:
            self._first(EDS, *self._eds_clusters())
        self._first(LDS)
        if self._route_names():
            self._first(RDS, *self._route_names())

    def process(self) -> None:
        """Take one response from the inbox."""
        response = self.inbox.popleft()
        kind = TYPE_OF_URL[response.type_url]
        wrong = {CDS: self._clusters, EDS: self._endpoints, LDS: self._listeners, RDS: self._routes}[kind](response)
        if wrong:
            self.outbox.append(nack(response, wrong))
            return
        self.recorded[kind] |= {r.name: r.version for r in response.resources if r.name in self.live[kind]}
        for name in response.removed_resources:
            self.recorded[kind].pop(name, None)
        (self._late if kind == CDS else self.outbox).append(
            ack(response)
        )  # a CDS ACK is withheld while any cluster warms
        self._warmed()

    def give_up(self, names: set[str]) -> None:
        """Wait no longer for the endpoints of these: `initial_fetch_timeout`, 15 s."""
        self.warming -= names
        self._warmed()

    def _warmed(self) -> None:
        if not self.warming:
            self.outbox.extend(self._late)
            self._late.clear()

    def _clusters(self, response: Response) -> str:
        bad = []
        for name in response.removed_resources:
            using = [r for r in self.live[RDS] if name in self.targets(r)]
            assert not using, f"cluster {name} was taken from under {using}"
            self.live[CDS].pop(name, None)
            self.warming.discard(name)
            self._let_go(EDS, {name} & self._watched)
        for resource in response.resources:
            if BAD.encode() in resource.resource.value:
                bad.append(resource.name)
                continue
            self.live[CDS][resource.name] = resource.resource.value
            if resource.name in self._eds_clusters():
                self.warming.add(resource.name)
                self._want(EDS, resource.name)
            else:
                self.warming.discard(resource.name)
                self._let_go(EDS, {resource.name} & self._watched)
        return f"Error adding/updating cluster(s) {', '.join(bad)}: no" if bad else ""

    def _endpoints(self, response: Response) -> str:
        asked = self._eds_clusters()
        for resource in response.resources:
            if BAD.encode() in resource.resource.value:
                self.warming.clear()  # a refusal ends the waiting of all (EdsClusterImpl::onConfigUpdateFailed)
                return "malformed IP address"  # those before it are applied
            if resource.name in asked:
                self.live[EDS][resource.name] = resource.resource.value
                self.warming.discard(resource.name)
        self.warming.difference_update(response.removed_resources)
        return ""

    def _listeners(self, response: Response) -> str:
        bad = []
        before = self._route_names()
        for name in response.removed_resources:
            self.live[LDS].pop(name, None)
        for resource in response.resources:
            if BAD.encode() in resource.resource.value:
                bad.append(resource.name)
                continue
            self.live[LDS][resource.name] = resource.resource.value
        for name in self._route_names() - before:
            self._want(RDS, name)
        self._let_go(RDS, before - self._route_names())
        return f"Error adding/updating listener(s) {', '.join(bad)}: no" if bad else ""

    def _routes(self, response: Response) -> str:
        assert not response.removed_resources, "a listener whose routes are denied is never bound"
        for resource in response.resources:
            if BAD.encode() in resource.resource.value:
                return "missing ]: ["
        for resource in response.resources:
            if resource.name not in self._route_names():
                continue
            replaced = resource.name in self.live[RDS]
            self.live[RDS][resource.name] = resource.resource.value
            lacking = self.targets(resource.name) - self.live[CDS].keys()
            assert not (lacking and replaced), f"working routes were replaced by some to {lacking}"
        return ""

    def targets(self, routes: str) -> set[str]:
        """The clusters that a route table refers to."""
        message = route_pb2.RouteConfiguration.FromString(self.live[RDS][routes])
        return {route.route.cluster for host in message.virtual_hosts for route in host.routes}

    def _eds_clusters(self) -> set[str]:
        clusters = [cluster_pb2.Cluster.FromString(body) for body in self.live[CDS].values()]
        return {c.name for c in clusters if c.type == cluster_pb2.Cluster.EDS}

    def _route_names(self) -> set[str]:
        found = [listener_pb2.Listener.FromString(body).filter_chains[0].name for body in self.live[LDS].values()]
        return {name for name in found if name}

    def _want(self, kind: Type, name: str) -> None:
        if kind == EDS:
            if name in self._watched:
                return  # a changed cluster does not ask again
            self._watched.add(name)
        if kind not in self._asked:
            self._first(kind, name)
        else:
            self.outbox.append(Request(type_url=TYPE_URL[kind], resource_names_subscribe=[name]))

    def _let_go(self, kind: Type, names: set[str]) -> None:
        gone = sorted(names)
        self._watched -= names
        for name in gone:
            self.live[kind].pop(name, None)
            self.recorded[kind].pop(name, None)
        if gone and kind in self._asked:
            self.outbox.append(Request(type_url=TYPE_URL[kind], resource_names_unsubscribe=gone))

    def _first(self, kind: Type, *names: str) -> None:
        self._asked.add(kind)
        held = {n: v for n, v in self.recorded[kind].items() if not names or n in names}
        self.outbox.append(asks(kind, *sorted(names), held=held))
