"""older: the model Envoy on a state-of-the-world stream, as Envoy's `GrpcMuxImpl` behaves.

What it is told of clusters and listeners is all there is; what it says of a type is always all of the names. While
clusters warm it answers once for all that came meanwhile, and a cluster that changed asks for its endpoints anew.
"""

from typing import TypeAlias

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.discovery.v3 import discovery_pb2

from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Type
from tests.unit.ads.model import CDS, EDS, LDS, RDS, Envoy
from tests.unit.ads.speaking import Response, node

Request: TypeAlias = discovery_pb2.DiscoveryRequest


class Older(Envoy):
    """Between streams it also keeps the version of each type that it accepted last."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[Type, str] = {}
        self._nonces: dict[Type, str] = {}
        self._owed: list[str] = []

    def connect(self) -> None:
        self._nonces.clear()
        self._owed.clear()
        super().connect()

    def process(self) -> None:
        """Take one response from the inbox."""
        response = self.inbox.popleft()
        kind = TYPE_OF_URL[response.type_url]
        handle = {CDS: self._clusters, EDS: self._endpoints, LDS: self._listeners, RDS: self._routes}[kind]
        wrong = handle(self._news(kind, response))
        self._nonces[kind] = response.nonce
        if not wrong:
            self.versions[kind] = response.version_info
        if kind == CDS:
            self._owed.append(wrong)
        else:
            self._say(kind, wrong)
        self._warmed()

    def _warmed(self) -> None:
        """One answer for all; a refusal among them is not forgotten."""
        if self._owed and not self.warming:
            self._say(CDS, next(filter(None, reversed(self._owed)), ""))
            self._owed.clear()

    def _news(self, kind: Type, response: discovery_pb2.DiscoveryResponse) -> Response:
        """What a response changes."""
        out, live = Response(type_url=response.type_url), self.live[kind]
        told = {_name(kind, resource.value): resource for resource in response.resources}
        for name, resource in told.items():
            if kind == EDS or live.get(name) != resource.value:
                out.resources.add(name=name, resource=resource)
        if kind in (CDS, LDS):
            out.removed_resources.extend(sorted(live.keys() - told.keys()))
        return out

    def _want(self, kind: Type, name: str) -> None:
        if kind == EDS:
            self._watched.add(name)
        self._first(kind)

    def _let_go(self, kind: Type, names: set[str]) -> None:
        self._watched -= names if kind == EDS else set()
        for name in names:
            self.live[kind].pop(name, None)
        if names and kind in self._asked:
            self._say(kind)

    def _first(self, kind: Type, *names: str) -> None:
        self._asked.add(kind)
        self._say(kind)

    def _say(self, kind: Type, wrong: str = "") -> None:
        names = {EDS: self._watched, RDS: self._route_names()}.get(kind, set())
        request = Request(
            node=node(), type_url=TYPE_URL[kind], resource_names=sorted(names),
            version_info=self.versions.get(kind, ""), response_nonce=self._nonces.get(kind, ""),
        )  # fmt: skip
        if wrong:
            request.error_detail.code, request.error_detail.message = 13, wrong
        self.outbox.append(request)


def _name(kind: Type, body: bytes) -> str:
    if kind == EDS:
        return str(endpoint_pb2.ClusterLoadAssignment.FromString(body).cluster_name)
    message = {CDS: cluster_pb2.Cluster, LDS: listener_pb2.Listener, RDS: route_pb2.RouteConfiguration}[kind]
    return str(message.FromString(body).name)
