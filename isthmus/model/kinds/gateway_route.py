"""GatewayRoute: which requests of a virtual gateway go to which virtual service, and what is rewritten on the way."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from isthmus.errors import Violation
from isthmus.model.key import Key
from isthmus.model.kind import Look, Reference, ResourceKind
from isthmus.model.kinds.virtual_gateway import VirtualGatewaySpec
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.model.kinds.virtual_router import VirtualRouterSpec
from isthmus.model.kinds.virtual_service import VirtualServiceSpec
from isthmus.model.matching import (
    HttpPathMatch,
    HttpQueryParameter,
    HttpRouteHeader,
    Method,
    named_service,
    path_or_prefix,
)
from isthmus.model.routing import Ports, RouteTypes, aimed, entered
from isthmus.model.structure import Items, Many, Maybe, Name, Port, Structure

RESERVED_PATHS = ("/aws-appmesh", "/aws-app-mesh")
RESERVED_SERVICES = ("aws.app-mesh", "aws.appmesh")
"""What App Mesh kept for itself at gateways (appmesh.md §3.2)."""

_Hostname = Annotated[str, Field(min_length=1, max_length=253)]
_Priority = Annotated[int, Field(ge=0, le=1000)]
_Switch = Literal["ENABLED", "DISABLED"]
_Headers = Annotated[Many[HttpRouteHeader], Items(1, 10)]
_Parameters = Annotated[Many[HttpQueryParameter], Items(1, 10)]


class GatewayRouteVirtualService(Structure):
    """The service requests go to."""

    virtual_service_name: Name


class GatewayRouteTarget(Structure):
    """Where requests go."""

    port: Maybe[Port] = None
    virtual_service: GatewayRouteVirtualService


class GatewayRouteHostnameMatch(Structure):
    """The host asked for."""

    exact: Maybe[_Hostname] = None
    suffix: Maybe[_Hostname] = None

    def violations(self) -> Iterator[Violation]:
        if self.exact is not None and self.suffix is not None:
            yield Violation("", "exactly_one_member", "must have exactly one of exact or suffix")
        for member, name in (("exact", self.exact), ("suffix", self.suffix)):
            if name is not None and any(c.isspace() or not c.isprintable() for c in name):
                yield Violation(f"/{member}", "not_a_hostname", f"{name!r} is not a host name")


class GatewayRouteHostnameRewrite(Structure):
    """Whether the host becomes the virtual service's name; it does by default."""

    default_target_hostname: Maybe[_Switch] = None


def _broken(path: str) -> bool:
    """Whether a path has what no header may have and Envoy refuses (route_components.proto, prefix_rewrite)."""
    return any(c in path for c in "\r\n\0")


class HttpGatewayRoutePathRewrite(Structure):
    """What the path becomes."""

    exact: Maybe[Name] = None

    def violations(self) -> Iterator[Violation]:
        if self.exact is not None and (not self.exact.startswith("/") or _broken(self.exact)):
            yield Violation("/exact", "not_a_path", "must begin with / and have no line breaks")


class HttpGatewayRoutePrefixRewrite(Structure):
    """What the matched prefix becomes; `/` by default."""

    default_prefix: Maybe[_Switch] = None
    value: Maybe[Name] = None

    def violations(self) -> Iterator[Violation]:
        if self.value is not None and (self.value[0] + self.value[-1] != "//" or _broken(self.value)):
            yield Violation("/value", "not_a_path", "must begin and end with / and have no line breaks")
        if self.value is not None and self.default_prefix is not None:
            yield Violation("/value", "mutually_exclusive", "value and defaultPrefix exclude each other")


class HttpGatewayRouteRewrite(Structure):
    """What is rewritten before the request goes on."""

    hostname: Maybe[GatewayRouteHostnameRewrite] = None
    path: Maybe[HttpGatewayRoutePathRewrite] = None
    prefix: Maybe[HttpGatewayRoutePrefixRewrite] = None

    def violations(self) -> Iterator[Violation]:
        if self.path is not None and self.prefix is not None:
            yield Violation("/prefix", "mutually_exclusive", "a prefix and a path rewrite exclude each other")


class GrpcGatewayRouteRewrite(Structure):
    """What is rewritten before the call goes on."""

    hostname: Maybe[GatewayRouteHostnameRewrite] = None


class HttpGatewayRouteAction(Structure):
    """Where requests go, and how."""

    rewrite: Maybe[HttpGatewayRouteRewrite] = None
    target: GatewayRouteTarget


class GrpcGatewayRouteAction(Structure):
    """Where calls go, and how."""

    rewrite: Maybe[GrpcGatewayRouteRewrite] = None
    target: GatewayRouteTarget


class HttpGatewayRouteMatch(Structure):
    """What a request must be like."""

    headers: Maybe[_Headers] = None
    hostname: Maybe[GatewayRouteHostnameMatch] = None
    method: Maybe[Method] = None
    path: Maybe[HttpPathMatch] = None
    port: Maybe[Port] = None
    prefix: Maybe[str] = None
    query_parameters: Maybe[_Parameters] = None

    def violations(self) -> Iterator[Violation]:
        yield from path_or_prefix(self.prefix, self.path)
        yield from _reserved("/prefix", self.prefix, RESERVED_PATHS)
        yield from _reserved("/path/exact", self.path.exact if self.path else None, RESERVED_PATHS)


class GrpcGatewayRouteMatch(Structure):
    """What a call must be like."""

    hostname: Maybe[GatewayRouteHostnameMatch] = None
    metadata: Maybe[_Headers] = None
    port: Maybe[Port] = None
    service_name: Maybe[str] = None

    def violations(self) -> Iterator[Violation]:
        yield from named_service(self.service_name)
        yield from _reserved("/serviceName", self.service_name, RESERVED_SERVICES)


def _reserved(pointer: str, text: str | None, beginnings: tuple[str, ...]) -> Iterator[Violation]:
    if text is not None and text.startswith(beginnings):
        yield Violation(pointer, "reserved", f"must not begin with {' or '.join(beginnings)}")


class HttpGatewayRoute(Structure):
    """A gateway route for http or http2."""

    action: HttpGatewayRouteAction
    match: HttpGatewayRouteMatch

    def violations(self) -> Iterator[Violation]:
        """Each rewrite needs the match it rewrites (appmesh.md §3.2); no path match at all matches the prefix `/`."""
        rewrite, at = self.action.rewrite, "/action/rewrite"
        if rewrite is None:
            return
        if rewrite.path is not None and self.match.path is None:
            yield Violation(f"{at}/path", "needs_path_match", "a path can only be rewritten where a path is matched")
        if rewrite.prefix is not None and self.match.path is not None:
            yield Violation(
                f"{at}/prefix", "needs_prefix_match", "a prefix cannot be rewritten where a path is matched"
            )


class GrpcGatewayRoute(Structure):
    """A gateway route for grpc."""

    action: GrpcGatewayRouteAction
    match: GrpcGatewayRouteMatch


class GatewayRouteSpec(RouteTypes):
    """App Mesh's GatewayRouteSpec: one route type, and a priority of which 0 is the highest."""

    types: ClassVar = {"grpc_route": "grpc", "http2_route": "http2", "http_route": "http"}

    grpc_route: Maybe[GrpcGatewayRoute] = None
    http2_route: Maybe[HttpGatewayRoute] = None
    http_route: Maybe[HttpGatewayRoute] = None
    priority: Maybe[_Priority] = None

    @property
    def route(self) -> GrpcGatewayRoute | HttpGatewayRoute:
        """The route of the one type given, in a spec that has passed its check."""
        route: GrpcGatewayRoute | HttpGatewayRoute = self.chosen[0].route
        return route


def _service(route: Any) -> Key:  # noqa: ANN401 - either type of gateway route
    return Key("VirtualService", route.action.target.virtual_service.virtual_service_name)


def _references(_key: Key, spec: GatewayRouteSpec) -> Iterator[Reference]:
    for chosen in spec.chosen:
        yield f"/spec/{chosen.member}/action/target/virtualService/virtualServiceName", _service(chosen.route)


def _rules(key: Key, spec: GatewayRouteSpec, look: Look) -> Iterator[Violation]:
    gateway = look(Key("VirtualGateway", key.parent or ""))
    for protocol, member, route in spec.chosen:
        if isinstance(gateway, VirtualGatewaySpec):
            where = f"virtual gateway {key.parent}"
            yield from entered(f"/spec/{member}", protocol, route.match.port, gateway.ports, where)
        ports = _ports(_service(route), look)
        if ports is not None:
            where = f"virtual service {_service(route).name}"
            yield from aimed(f"/spec/{member}/action/target", route.action.target.port, ports, where)


def _ports(service: Key, look: Look) -> Ports | None:
    """Where what answers for a service listens; None if nothing answers (yet)."""
    spec = look(service)
    if not isinstance(spec, VirtualServiceSpec) or spec.provider is None:
        return None
    provider = look(spec.provider.key)
    return provider.ports if isinstance(provider, VirtualNodeSpec | VirtualRouterSpec) else None


KIND = ResourceKind(
    "GatewayRoute", GatewayRouteSpec, "gateway-routes", "virtual-gateways", references=_references, rules=_rules
)
