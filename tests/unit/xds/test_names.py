"""Names: nothing that differs shares one, and each leads back to what made it."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.key import Key
from isthmus.values import mesh_label, service_id
from isthmus.wire import Sni
from isthmus.xds import names
from isthmus.xds.origins import Known, origin
from isthmus.xds.snapshot import view_id

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
    known, view = Known("shop"), view_id("node", word, "1.40")
    assert origin(names.backend(word, port), view, known) == Key("VirtualNode", word)
    assert origin(names.of_stat(names.stat(names.backend(word, port))), view, known) == Key("VirtualNode", word)
    assert origin(names.service(word), view, known) == Key("VirtualService", word)
    assert origin(names.service(word, port), view, known) == Key("VirtualService", word)
    assert origin(names.route(parent, word), view, known) == Key("Route", word, parent)
    assert origin(names.gateway_route(parent, word), view, known) == Key("GatewayRoute", word, parent)
    assert origin(names.inbound(port), view, known) == Key("VirtualNode", word)
    assert origin(names.ingress(port), view_id("gateway", word, "1.40"), known) == Key("VirtualGateway", word)


@given(WORD, PORT)
def test_a_gateways_backend_leads_back_to_the_node_whose_slot_it_is(node: str, port: int) -> None:
    mesh, view = UUID(int=7), view_id("east-west", mesh_label(UUID(int=7)), "1.40")
    asked = Sni("aaaaaaaaaa", port, service_id(mesh, node), mesh_label(mesh)).text("mesh.example")
    assert origin(asked, view, Known.of("shop", mesh, [node])) == Key("VirtualNode", node)
    assert origin(asked, view, Known("shop")) is None
    assert origin(names.EAST_WEST, view, Known("shop")) == Key("Mesh", "shop")


@pytest.mark.parametrize("name", ["nothing/of/ours", "node", "route/r", "a.b.c.d.e.v1.x", ""])
def test_a_name_that_is_never_made_leads_nowhere(name: str) -> None:
    assert origin(name, view_id("node", "a", "1.40"), Known("shop")) is None


def test_what_belongs_to_a_port_says_so() -> None:
    assert names.listened_port(names.inbound(80), "inbound") == 80
    assert names.listened_port(names.slot(names.inbound(80), "http", "fence"), "inbound") == 80
    assert names.listened_port(names.app(80), "inbound") is None
    assert names.listened_port(names.backend("inbound", 80), "inbound") is None


@given(WORD, PORT)
def test_what_listens_for_a_tcp_port_or_at_a_services_address_says_so(word: str, port: int) -> None:
    assert names.connected_port(names.outbound_tcp(port)) == port
    assert names.vip_port(names.outbound_vip(word, port)) == (names.escaped(word), port)
    for other in (names.backend(word, port), names.service(word, port), names.inbound(port), names.OUTBOUND):
        assert names.connected_port(other) is None
        assert names.vip_port(other) is None
    assert names.vip_port(names.slot(names.outbound_vip(word, port), "tcp", "fence")) is None
    assert names.slot_listener(names.slot(names.outbound_vip(word, port), "tcp", "fence")) == names.outbound_vip(
        word, port
    )
