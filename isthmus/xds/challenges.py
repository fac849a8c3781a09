"""challenges: what an ACME authority asks of a domain, answered by the virtual gateways (HTTP-01, RFC 8555 §8.3).

The authority asks whichever gateway the domain leads to, so all of them answer, on every port, before any route of the
tenant's: for that domain and token alone, and only while the order is under way.
"""

from collections.abc import Iterable
from typing import NamedTuple

from envoy.config.route.v3 import route_components_pb2, route_pb2

from isthmus.ir.mesh import Compared, Match
from isthmus.xds import names
from isthmus.xds.requests import matched
from isthmus.xds.snapshot import Resource, Type


class Challenge(NamedTuple):
    """The text that is to be found under a token at a domain."""

    domain: str
    token: str
    answer: str


def answering(routes: Resource, challenges: Iterable[Challenge]) -> Resource:
    """The routes of a gateway's port, with the answers before them."""
    said = route_pb2.RouteConfiguration.FromString(routes.body)
    answers = [_route(each) for each in challenges]
    for host in said.virtual_hosts:
        behind = list(host.routes)
        del host.routes[:]
        host.routes.extend([*answers, *behind])
    return Resource(Type.ROUTES, routes.name, said.SerializeToString(deterministic=True))


def _route(challenge: Challenge) -> route_components_pb2.Route:
    path = f"/.well-known/acme-challenge/{challenge.token}"
    match = Match(how=Compared.EXACT, path=path, host=(Compared.EXACT, challenge.domain))
    out = route_components_pb2.Route(name=names.challenge(challenge.domain), match=matched(match))
    out.direct_response.status = 200
    out.direct_response.body.inline_string = challenge.answer
    return out
