"""Names: nothing that differs shares one, and each leads back to what made it."""

from hypothesis import given
from hypothesis import strategies as st

from isthmus.xds import names

WORD = st.text(min_size=1, max_size=12) | st.sampled_from(["a/b", "a%2Fb", "%", "/", "a/8080", "node"])
PORT = st.integers(1, 65535)


@given(WORD, PORT, WORD, PORT)
def test_backends_share_a_name_only_if_they_are_one(node: str, port: int, other: str, other_port: int) -> None:
    same = (node, port) == (other, other_port)
    assert (names.backend(node, port) == names.backend(other, other_port)) == same


@given(WORD, WORD, WORD, WORD)
def test_routes_share_a_name_only_if_they_are_one(router: str, name: str, other: str, other_name: str) -> None:
    same = (router, name) == (other, other_name)
    assert (names.route(router, name) == names.route(other, other_name)) == same


@given(WORD, PORT, WORD, PORT)
def test_statistics_of_two_backends_never_meet(node: str, port: int, other: str, other_port: int) -> None:
    one, two = names.backend(node, port), names.backend(other, other_port)
    assert "." not in names.stat(one)
    assert (names.stat(one) == names.stat(two)) == (one == two)


@given(WORD, WORD, PORT)
def test_a_name_leads_back_to_the_resource_that_made_it(word: str, parent: str, port: int) -> None:
    assert names.origin(names.backend(word, port)) == ("VirtualNode", word)
    assert names.origin(names.service(word)) == ("VirtualService", word)
    assert names.origin(names.service(word, port)) == ("VirtualService", word)
    assert names.origin(names.route(parent, word)) == ("Route", f"{names.escaped(parent)}/{word}")
    assert names.origin(names.gateway_route(parent, word)) == ("GatewayRoute", f"{names.escaped(parent)}/{word}")


def test_what_belongs_to_a_port_says_so() -> None:
    assert names.listened_port(names.inbound(80), "inbound") == 80
    assert names.listened_port(names.slot(names.inbound(80), "http", "fence"), "inbound") == 80
    assert names.listened_port(names.app(80), "inbound") is None
    assert names.listened_port(names.backend("inbound", 80), "inbound") is None
    assert names.origin(names.inbound(80)) is None


@given(WORD, PORT)
def test_what_belongs_to_a_tcp_port_says_so_and_leads_back(word: str, port: int) -> None:
    assert names.origin(names.tcp(word, port)) == ("VirtualService", word)
    assert names.connected_port(names.tcp(word, port)) == port
    assert names.connected_port(names.outbound_tcp(port)) == port
    assert names.connected_port(names.slot(names.outbound_tcp(port), "tcp", "fence")) == port
    for other in (names.backend(word, port), names.service(word, port), names.inbound(port), names.OUTBOUND):
        assert names.connected_port(other) is None
