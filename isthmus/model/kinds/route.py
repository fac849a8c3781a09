"""Route: which requests of a virtual router go to which nodes, in which shares."""

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from isthmus.errors import Violation
from isthmus.model.key import Key
from isthmus.model.kind import Look, Reference, ResourceKind
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.model.kinds.virtual_router import VirtualRouterSpec
from isthmus.model.matching import (
    HttpPathMatch,
    HttpQueryParameter,
    HttpRouteHeader,
    Method,
    named_service,
    path_or_prefix,
)
from isthmus.model.retrying import GrpcRetryPolicy, HttpRetryPolicy
from isthmus.model.routing import RouteTypes, aimed, entered
from isthmus.model.structure import Items, Many, Maybe, Name, Port, Structure
from isthmus.model.timing import GrpcTimeout, HttpTimeout, TcpTimeout

Weight = Annotated[int, Field(ge=0, le=100)]
Priority = Annotated[int, Field(ge=0, le=1000)]
_ShortName = Annotated[str, Field(min_length=1, max_length=50)]
WHOLE = 100


class WeightedTarget(Structure):
    """A node and its share."""

    port: Maybe[Port] = None
    virtual_node: Name
    weight: Weight


class RouteAction(Structure):
    """Where requests go. App Mesh has this shape once for http, grpc and tcp each. All weights may be 0."""

    weighted_targets: Annotated[Many[WeightedTarget], Items(1, 10)]

    def violations(self) -> Iterator[Violation]:
        total = sum(target.weight for target in self.weighted_targets)
        if total > WHOLE:
            yield Violation("/weightedTargets", "out_of_range", f"weights must add up to at most {WHOLE}, not {total}")


class HttpRouteMatch(Structure):
    """What a request must be like; `{}` is any request."""

    headers: Maybe[Annotated[Many[HttpRouteHeader], Items(1, 10)]] = None
    method: Maybe[Method] = None
    path: Maybe[HttpPathMatch] = None
    port: Maybe[Port] = None
    prefix: Maybe[str] = None
    query_parameters: Maybe[Annotated[Many[HttpQueryParameter], Items(1, 10)]] = None
    scheme: Maybe[Literal["http", "https"]] = None

    def violations(self) -> Iterator[Violation]:
        return path_or_prefix(self.prefix, self.path)


class HttpRoute(Structure):
    """A route for http or http2."""

    action: RouteAction
    match: HttpRouteMatch
    retry_policy: Maybe[HttpRetryPolicy] = None
    timeout: Maybe[HttpTimeout] = None


class GrpcRouteMatch(Structure):
    """What a call must be like; `{}` is any call."""

    metadata: Maybe[Annotated[Many[HttpRouteHeader], Items(1, 10)]] = None
    method_name: Maybe[_ShortName] = None
    port: Maybe[Port] = None
    service_name: Maybe[str] = None

    def violations(self) -> Iterator[Violation]:
        yield from named_service(self.service_name)
        if self.method_name is not None and self.service_name is None:
            yield Violation("/serviceName", "missing", "a methodName needs a serviceName")


class GrpcRoute(Structure):
    """A route for grpc."""

    action: RouteAction
    match: GrpcRouteMatch
    retry_policy: Maybe[GrpcRetryPolicy] = None
    timeout: Maybe[GrpcTimeout] = None


class TcpRouteMatch(Structure):
    """Which connections."""

    port: Maybe[Port] = None


class TcpRoute(Structure):
    """A route for tcp."""

    action: RouteAction
    match: Maybe[TcpRouteMatch] = None
    timeout: Maybe[TcpTimeout] = None


class RouteSpec(RouteTypes):
    """App Mesh's RouteSpec: one route type, and a priority of which 0 is the highest."""

    types: ClassVar = {"grpc_route": "grpc", "http2_route": "http2", "http_route": "http", "tcp_route": "tcp"}

    grpc_route: Maybe[GrpcRoute] = None
    http2_route: Maybe[HttpRoute] = None
    http_route: Maybe[HttpRoute] = None
    priority: Maybe[Priority] = None
    tcp_route: Maybe[TcpRoute] = None

    @property
    def route(self) -> GrpcRoute | HttpRoute | TcpRoute:
        """The route of the one type given, in a spec that has passed its check."""
        route: GrpcRoute | HttpRoute | TcpRoute = self.chosen[0].route
        return route

    @property
    def targets(self) -> Sequence[tuple[str, WeightedTarget]]:
        """Every weighted target with its pointer from the document."""
        return [
            (f"/spec/{chosen.member}/action/weightedTargets/{i}", target)
            for chosen in self.chosen
            for i, target in enumerate(chosen.route.action.weighted_targets)
        ]


def _references(_key: Key, spec: RouteSpec) -> Iterator[Reference]:
    for pointer, target in spec.targets:
        yield f"{pointer}/virtualNode", Key("VirtualNode", target.virtual_node)


def _rules(key: Key, spec: RouteSpec, look: Look) -> Iterator[Violation]:
    router = look(Key("VirtualRouter", key.parent or ""))
    if isinstance(router, VirtualRouterSpec):
        for protocol, member, route in spec.chosen:
            port = None if route.match is None else route.match.port
            yield from entered(f"/spec/{member}", protocol, port, router.ports, f"virtual router {key.parent}")
    for pointer, target in spec.targets:
        node = look(Key("VirtualNode", target.virtual_node))
        if isinstance(node, VirtualNodeSpec):
            yield from aimed(pointer, target.port, node.ports, f"virtual node {target.virtual_node}")


KIND = ResourceKind("Route", RouteSpec, "routes", "virtual-routers", references=_references, rules=_rules)
