"""The answers to an ACME authority stand before every route of a gateway's ports, and before nothing else."""

from envoy.config.route.v3 import route_pb2

from isthmus.xds import listeners, proxy
from isthmus.xds.challenges import Challenge, answering
from isthmus.xds.endpoints import LocalInstance
from isthmus.xds.secrets import bundle
from isthmus.xds.snapshot import Resource, Type

POSED = Challenge("shop.example", "tok-en_1", "tok-en_1.thumb")
ROOTS = bundle({"east": [b"pem"]})


def table(name: str) -> Resource:
    made = route_pb2.RouteConfiguration(name=name)
    host = made.virtual_hosts.add(name=name, domains=["*"])
    host.routes.add(name="behind").match.prefix = "/"
    return Resource(Type.ROUTES, name, made.SerializeToString(deterministic=True))


def routes(resource: Resource) -> list[str]:
    said = route_pb2.RouteConfiguration.FromString(resource.body)
    return [route.name for host in said.virtual_hosts for route in host.routes]


def test_the_answer_comes_first_and_for_its_domain_and_token_alone() -> None:
    (host,) = route_pb2.RouteConfiguration.FromString(answering(table("ingress/80"), [POSED]).body).virtual_hosts
    answer, behind = host.routes
    assert answer.match.path == "/.well-known/acme-challenge/tok-en_1"
    (authority,) = answer.match.headers
    assert (authority.name, authority.string_match.safe_regex.regex) == (":authority", r"(?i)shop\.example(:\d+)?")
    assert (answer.direct_response.status, answer.direct_response.body.inline_string) == (200, POSED.answer)
    assert behind.name == "behind"


def test_a_gateway_answers_at_its_ports_and_not_for_what_is_inside() -> None:
    view = [listeners.ingress(80), table("ingress/80"), listeners.outbound_inside(), table("outbound")]
    edge = LocalInstance("edge", "edge", "127.0.0.1", {80: 20080})
    made = proxy.compose_gateway(view, {}, edge, ROOTS, (POSED,))
    named = {each.resource.name: each for each in made if each.resource.type == Type.ROUTES}
    assert {name: routes(each.resource) for name, each in named.items()} == {
        "ingress/80": ["challenge/shop.example", "behind"],
        "outbound": ["behind"],
    }
    assert {name: each.proven for name, each in named.items()} == {"ingress/80": False, "outbound": True}


def test_without_a_challenge_the_routes_are_the_revisions_own() -> None:
    edge = LocalInstance("edge", "edge", "127.0.0.1", {80: 20080})
    made = proxy.compose_gateway([listeners.ingress(80), table("ingress/80")], {}, edge, ROOTS)
    assert (table("ingress/80"), True) in made
