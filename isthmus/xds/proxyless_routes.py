"""proxyless_routes: a virtual host's routes as gRPC's own client can follow them.

A gRPC call is a POST of a plain `/service/method`. So conditions that Envoy reads from the request's first line are
answered here, once; and a route that no call can match is left out. Of retries gRPC knows statuses only: what Envoy
calls a reset, a refused connection or a 503 is UNAVAILABLE to it (gRPC, "HTTP to gRPC Status Code Mapping").
"""

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import string_pb2

from isthmus.xds import names
from isthmus.xds.sources import lasting

_Route: TypeAlias = route_components_pb2.Route
_Action: TypeAlias = route_components_pb2.RouteAction
_Header: TypeAlias = route_components_pb2.HeaderMatcher

CALL = {":method": "POST", ":scheme": "http"}
"""What a call's first line says, whoever makes it; `http` is what a sidecar sees of its application."""

_STATUSES = frozenset({"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"})
_TRANSPORT = frozenset({"reset", "connect-failure", "refused-stream"})
_UNAVAILABLE = frozenset({429, 502, 503, 504})
_BY_STATUS = "retriable-status-codes"
EARLY = 2000
"""Milliseconds by which C-core 1.85 may end a call too early: between one and two seconds, fixed when a process starts
(measured: a limit of 1 s fails every call at once). Better a second late."""

MOST_RETRIES = 4
"""C-core makes no more than five attempts (gRFC A6)."""


def routes(host: route_components_pb2.VirtualHost) -> tuple[list[_Route], list[str]]:
    """The routes in their order, and what is lost of them."""
    out: list[_Route] = []
    lost: list[str] = []
    for said in host.routes:
        match = _matched(said.match)
        if match is not None:
            out.append(_Route(name=said.name, match=match))
            lost += (f"{said.name}: {what}" for what in (*_acting(said, out[-1]), *_unseen(match)))
    return out, lost


def clusters(route: _Route) -> Iterator[str]:
    """What a route leads to."""
    if route.HasField("route"):
        yield from (share.name for share in route.route.weighted_clusters.clusters)
        if route.route.cluster:
            yield route.route.cluster


def _matched(said: route_components_pb2.RouteMatch) -> route_components_pb2.RouteMatch | None:
    """The same without what is known beforehand; None if no call can match."""
    answers = [_holds(header, CALL[header.name]) for header in said.headers if header.name in CALL]
    if said.HasField("connect_matcher") or said.query_parameters or not all(answers):
        return None
    out = route_components_pb2.RouteMatch()
    out.CopyFrom(said)
    out.ClearField("grpc")
    out.ClearField("headers")
    out.headers.extend(header for header in said.headers if header.name not in CALL)
    return out


def _holds(matcher: _Header, value: str) -> bool:
    how = matcher.WhichOneof("header_match_specifier")
    found = _matches(matcher.string_match, value) if how == "string_match" else how in (None, "present_match")
    return bool(found) is not bool(matcher.invert_match)


def _matches(matcher: string_pb2.StringMatcher, value: str) -> bool:
    match matcher.WhichOneof("match_pattern"):
        case "exact":
            return bool(value == matcher.exact)
        case "prefix":
            return value.startswith(matcher.prefix)
        case "suffix":
            return value.endswith(matcher.suffix)
    return bool(re.fullmatch(matcher.safe_regex.regex, value))


def _unseen(match: route_components_pb2.RouteMatch) -> Iterator[str]:
    """Headers that a call has on the wire only, where gRPC chooses its route before there is a wire."""
    for header in match.headers:
        if header.name.startswith(":") or header.name.endswith("-bin"):
            yield f"gRPC sees no header {header.name}, so it is taken for absent"


def _acting(said: _Route, out: _Route) -> Iterator[str]:
    """Fill in the action; what is lost. Anything but forwarding fails the call as UNAVAILABLE, as gRPC has it."""
    if not said.HasField("route"):
        out.direct_response.status = said.direct_response.status
        return
    action = said.route
    if action.cluster:
        out.route.cluster = names.quoted(action.cluster)
    else:
        shares = action.weighted_clusters.clusters
        share = route_components_pb2.WeightedCluster.ClusterWeight
        out.route.weighted_clusters.clusters.extend(share(name=names.quoted(s.name), weight=s.weight) for s in shares)
    limit = action.timeout.ToMilliseconds()
    if limit:
        out.route.max_stream_duration.max_stream_duration.CopyFrom(lasting(limit + EARLY))
    if action.HasField("idle_timeout"):
        yield "gRPC has no idle timeout of a call"
    if action.HasField("retry_policy"):
        yield from _retrying(action.retry_policy, out.route)


def _retrying(said: route_components_pb2.RetryPolicy, out: _Action) -> Iterator[str]:
    conditions = said.retry_on.split(",")
    on = _statuses(conditions, said.retriable_status_codes)
    if on:
        out.retry_policy.retry_on = ",".join(sorted(on))
        out.retry_policy.num_retries.value = said.num_retries.value
    others = sorted(set(said.retriable_status_codes) - _UNAVAILABLE)
    if others:
        yield f"gRPC does not retry on HTTP {', '.join(map(str, others))}, which it has no status of its own for"
    if on and said.num_retries.value > MOST_RETRIES:
        yield f"gRPC retries {MOST_RETRIES} times at most, not {said.num_retries.value}"
    if on and said.HasField("per_try_timeout"):
        yield "gRPC has no time limit for a single try"


def _statuses(conditions: Iterable[str], codes: Iterable[int]) -> set[str]:
    """Those of gRPC that say what these conditions say."""
    named = set(conditions)
    on = named & _STATUSES
    broken = named & _TRANSPORT or (_BY_STATUS in named and _UNAVAILABLE.intersection(codes))
    return on | {"unavailable"} if broken else on
