"""matches: what App Mesh's matches mean, for routes and gateway routes of http, http2 and grpc alike."""

from collections.abc import Sequence
from typing import Any

from isthmus.ir.mesh import Compared, HeaderMatch, Match, QueryMatch
from isthmus.model.kinds.gateway_route import GatewayRouteHostnameMatch, GrpcGatewayRouteMatch, HttpGatewayRouteMatch
from isthmus.model.kinds.route import GrpcRouteMatch, HttpRouteMatch
from isthmus.model.matching import HttpPathMatch, HttpQueryParameter, HttpRouteHeader

_BY_HOW = {Compared.EXACT: 0, Compared.REGEX: 1, Compared.PREFIX: 2}
_BY_HOST = {Compared.EXACT: 0, Compared.SUFFIX: 1}


def of_route(said: HttpRouteMatch | GrpcRouteMatch) -> Match:
    """A route's match, port apart."""
    if isinstance(said, GrpcRouteMatch):
        how, path = _call(said.service_name, said.method_name)
        return Match(how=how, path=path, headers=_headers(said.metadata), grpc=True)
    how, path = _path(said.prefix, said.path)
    return Match(
        how=how,
        path=path,
        method=said.method,
        scheme=said.scheme,
        headers=_headers(said.headers),
        queries=_queries(said.query_parameters),
    )


def of_gateway_route(said: HttpGatewayRouteMatch | GrpcGatewayRouteMatch) -> Match:
    """A gateway route's match, port apart."""
    host = _host(said.hostname)
    if isinstance(said, GrpcGatewayRouteMatch):
        how, path = _call(said.service_name, None)
        return Match(how=how, path=path, host=host, headers=_headers(said.metadata), grpc=True)
    how, path = _path(said.prefix, said.path)
    return Match(
        how=how,
        path=path,
        host=host,
        method=said.method,
        headers=_headers(said.headers),
        queries=_queries(said.query_parameters),
    )


def specificity(match: Match) -> tuple[Any, ...]:
    """The order among equal priorities: narrower host, path (exact, regex, longer prefix) and conditions first."""
    host = _BY_HOST[match.host[0]] if match.host else len(_BY_HOST)
    longest = -len(match.host[1]) if match.host else 0
    conditions = len(match.headers) + len(match.queries) + (match.method is not None) + (match.scheme is not None)
    return host, longest, _BY_HOW[match.how], -len(match.path), -conditions


def _path(prefix: str | None, path: HttpPathMatch | None) -> tuple[Compared, str]:
    """No path said is any path."""
    if path is not None and path.exact is not None:
        return Compared.EXACT, path.exact
    if path is not None and path.regex is not None:
        return Compared.REGEX, path.regex
    return Compared.PREFIX, prefix if prefix is not None else "/"


def _call(service: str | None, method: str | None) -> tuple[Compared, str]:
    """A gRPC call's path is `/<service>/<method>` (gRPC over HTTP2, Requests)."""
    if service is None:
        return Compared.PREFIX, "/"
    return (Compared.PREFIX, f"/{service}/") if method is None else (Compared.EXACT, f"/{service}/{method}")


def _host(said: GatewayRouteHostnameMatch | None) -> tuple[Compared, str] | None:
    if said is None:
        return None
    if said.exact is not None:
        return Compared.EXACT, said.exact
    return (Compared.SUFFIX, said.suffix) if said.suffix is not None else None


def _headers(said: Sequence[HttpRouteHeader] | None) -> tuple[HeaderMatch, ...]:
    return tuple(_header(header) for header in said) if said else ()


def _header(said: HttpRouteHeader) -> HeaderMatch:
    invert = bool(said.invert)
    if said.match is None:
        return HeaderMatch(said.name, Compared.PRESENT, invert=invert)
    how, value = said.match.chosen
    if how == "range":
        return HeaderMatch(said.name, Compared.RANGE, bounds=(value.start, value.end), invert=invert)
    return HeaderMatch(said.name, Compared(how), value, invert=invert)


def _queries(said: Sequence[HttpQueryParameter] | None) -> tuple[QueryMatch, ...]:
    return tuple(QueryMatch(q.name, q.match.exact if q.match is not None else None) for q in said) if said else ()
