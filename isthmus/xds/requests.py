"""requests: what a request must be like, in Envoy's matchers."""

import re
from functools import lru_cache

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2

from isthmus.ir.mesh import Compared, HeaderMatch, Match, QueryMatch

CONNECT = "CONNECT"
"""The method of requests for a tunnel. They have no path, so Envoy's matchers of paths never see them."""

_Header = route_components_pb2.HeaderMatcher


def matched(match: Match, *also: HeaderMatch) -> route_components_pb2.RouteMatch:
    """A match with further headers."""
    out = route_components_pb2.RouteMatch()
    if tunnels(match):
        out.connect_matcher.SetInParent()
    elif match.how is Compared.EXACT:
        out.path = match.path
    elif match.how is Compared.REGEX:
        out.safe_regex.regex = match.path
    else:
        out.prefix = match.path
    if match.grpc:
        out.grpc.SetInParent()
    out.headers.extend(_pseudo(match))
    out.headers.extend(_header(header) for header in (*match.headers, *also))
    out.query_parameters.extend(_query(query) for query in match.queries)
    return out


@lru_cache(maxsize=2**12)
def written(match: Match, *also: HeaderMatch) -> bytes:
    """The same as bytes: many services have routes that match alike."""
    body: bytes = matched(match, *also).SerializeToString(deterministic=True)
    return body


def tunnels(match: Match) -> bool:
    """Whether a match is of requests for a tunnel; one that asks for a path as well is of nothing."""
    return match.method == CONNECT and (match.how, match.path) == (Compared.PREFIX, "/")


def _pseudo(match: Match) -> list[route_components_pb2.HeaderMatcher]:
    """Method, scheme and host are headers to Envoy. A host is compared without case and port (RFC 9110 §4.2.3)."""
    said = {":method": match.method, ":scheme": match.scheme}
    out = [_Header(name=n, string_match=string_pb2.StringMatcher(exact=v)) for n, v in said.items() if v is not None]
    if match.host is not None:
        how, name = match.host
        before = ".*" if how is Compared.SUFFIX else ""
        pattern = rf"(?i){before}{re.escape(name)}(:\d+)?"
        out.append(_Header(name=":authority", string_match=_regex(pattern)))
    return out


def _header(header: HeaderMatch) -> route_components_pb2.HeaderMatcher:
    out = _Header(name=header.name, invert_match=header.invert)
    if header.how is Compared.PRESENT:
        out.present_match = True
    elif header.how is Compared.RANGE:
        out.range_match.start, out.range_match.end = header.bounds
    elif header.how is Compared.REGEX:
        out.string_match.CopyFrom(_regex(header.text))
    else:
        out.string_match.CopyFrom(string_pb2.StringMatcher(**{header.how.value: header.text}))
    return out


def _query(query: QueryMatch) -> route_components_pb2.QueryParameterMatcher:
    if query.exact is None:
        return route_components_pb2.QueryParameterMatcher(name=query.name, present_match=True)
    exact = string_pb2.StringMatcher(exact=query.exact)
    return route_components_pb2.QueryParameterMatcher(name=query.name, string_match=exact)


def _regex(pattern: str) -> string_pb2.StringMatcher:
    return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=pattern))
