"""What is compiled and composed, run by real Envoys: east calls west over one TLS session through west's gateway."""

import socket
import ssl
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.values import mesh_label, service_id
from isthmus.wire import Sni
from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.contract.envoy.applications import Does
from tests.contract.envoy.asking import Answer
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.stage import DOOR, EAST_WEST, HTTP, MESH_ID, Door, Instance, Stage, inbound
from tests.until import until

PLAIN = "plain.local"
BOTH = {"blue-1": 2, "blue-2": 2}


class World(Stage):
    """A client and a virtual gateway in east, two `blue` behind a gateway in west; `plain`, in east, has no proxy."""

    def __init__(self, transport: str) -> None:
        self.transport = transport
        blues = [Instance(name, "blue", "west") for name in ("blue-1", "blue-2")]
        super().__init__(Instance("front"), Instance("plain", proxied=False), *blues, doors=[Door("ingress")])


def definition(world: World, match: Any = None, rewrite: Any = None) -> Definition:  # noqa: ANN401 - JSON
    """`front` and `ingress` in east may call `blue`, which runs in west only; `front` also `plain`, without a proxy."""
    return build.mesh(
        build.node("front", port=HTTP, backends=[build.SERVICE, PLAIN]),
        build.node("blue", port=HTTP),
        build.node("plain", port=HTTP),
        build.router(port=HTTP),
        build.route(targets={"blue": 100}, match=match),
        build.service(PLAIN, node="plain"),
        build.placement("blue", "west"),
        build.placement("plain", "east"),
        build.gateway(port=DOOR),
        build.gateway_route(prefix="/shop", rewrite=rewrite),
        targets={"blue": 100},
        settings={"transport": world.transport},
    )


@pytest.fixture(scope="module", params=["permissive", "strict"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(request.param)
    try:
        world.apply(definition(world))
        yield world
        assert world.ads.refused == []
    finally:
        world.stop()


def asked_for(world: World) -> str:
    """The SNI of blue-1."""
    return Sni(world.slot("blue-1"), HTTP, service_id(MESH_ID, "blue"), mesh_label(MESH_ID)).text()


def call(world: World, host: str = build.SERVICE, path: str = "/", **also: Any) -> Answer:  # noqa: ANN401 - see `ask`
    """A request of the application in east."""
    return world.ask("front", host, path, **also)


def answered(world: World, requests: int = 4) -> Mapping[str, int]:
    """How often who answered; by status where it was not an application."""
    answers = [call(world) for _ in range(requests)]
    return Counter(answer.said["app"] if answer.status == 200 else str(answer.status) for answer in answers)


def test_both_remote_slots_share_the_requests_evenly(world: World) -> None:
    assert answered(world, 40) == {"blue-1": 20, "blue-2": 20}


def test_the_server_sees_who_calls_and_the_client_saw_who_serves(world: World) -> None:
    peers = call(world).said["headers"]["x-forwarded-client-cert"]
    assert peers.startswith("By=spiffe://west-1.acme.isthmus.internal/mesh/shop/node/blue;")
    assert peers.endswith(";URI=spiffe://east-1.acme.isthmus.internal/mesh/shop/node/front")


def test_an_application_cannot_forge_who_calls(world: World) -> None:
    forged = call(world, headers={"x-forwarded-client-cert": "URI=spiffe://admin"})
    assert "admin" not in forged.said["headers"]["x-forwarded-client-cert"]


def test_a_service_is_found_under_its_name_with_any_port_case_and_final_dot(world: World) -> None:
    for host in ("colors.local", "colors.local:1234", "COLORS.local", "colors.local."):
        assert call(world, host).status == 200, host


def test_what_is_no_backend_is_no_service(world: World) -> None:
    answer = call(world, "other.local")
    assert (answer.status, answer.body) == (404, b"isthmus: no such service")


def test_a_gateway_rewrites_and_applies_the_services_routes(world: World) -> None:
    answer = world.enter("shop.example.com", "/shop/a")
    assert (answer.status, answer.said["path"], answer.said["headers"]["host"]) == (200, "/a", "colors.local")
    caller = answer.said["headers"]["x-forwarded-client-cert"].rpartition("URI=")[2]
    assert caller == "spiffe://east-1.acme.isthmus.internal/mesh/shop/gateway/ingress"
    assert world.enter("shop.example.com", "/elsewhere").status == 404


def test_a_gateway_keeps_the_callers_host_where_it_is_told_to(world: World) -> None:
    def seen() -> Any:  # noqa: ANN401 - JSON
        headers = {"x-app-mesh-virtual-service": "other.local"}
        return world.enter("shop.example.com", "/shop/a", headers=headers).said

    world.apply(definition(world, rewrite={"hostname": {"defaultTargetHostname": "DISABLED"}}))
    until(lambda: seen()["headers"]["host"] == "shop.example.com")
    assert seen()["path"] == "/a"
    assert "x-app-mesh-virtual-service" not in seen()["headers"]
    world.apply(definition(world))
    until(lambda: seen()["headers"]["host"] == "colors.local")
    assert "x-app-mesh-virtual-service" not in seen()["headers"]


def test_callers_do_not_notice_an_instance_that_fails(world: World) -> None:
    failing = world.app("blue-1")
    failing.always = Does(503)
    try:
        assert answered(world, 20) == {"blue-2": 20}
    finally:
        failing.forget()
    until(lambda: answered(world) == BOTH)


def test_an_instance_without_a_proxy_answers_in_plaintext_where_the_mesh_allows_it(world: World) -> None:
    answer = call(world, PLAIN)
    if world.transport == "permissive":
        assert (answer.status, answer.said["app"]) == (200, "plain")
    else:
        assert answer.status == 503


def test_a_changed_route_takes_effect(world: World) -> None:
    world.apply(definition(world, match={"prefix": "/new"}))
    until(lambda: call(world, path="/old").status == 404)
    assert call(world, path="/new").status == 200
    world.apply(definition(world))
    until(lambda: call(world, path="/old").status == 200)


def test_requests_are_counted_by_code_peer_and_route(world: World) -> None:
    peer = "spiffe://east-1.acme.isthmus.internal/mesh/shop/node/front"
    counted = f"isthmus.requests.code.200.flags.-.peer.{peer}.route.inbound/{HTTP}"
    before = world.envoys["blue-1"].stats("isthmus.requests").get(counted, 0)
    answered(world)
    until(lambda: world.envoys["blue-1"].stats("isthmus.requests").get(counted) == before + 2)


@pytest.mark.parametrize("slot", ["fence", "jwt", "ext-authz", "access"])
def test_a_security_slot_without_its_resource_denies(world: World, slot: str) -> None:
    for blue in ("blue-1", "blue-2"):
        world.ads.give(blue, without(world.resources(blue), f"inbound/{HTTP}/http/{slot}"))
    until(lambda: answered(world) == {"403": 4})
    for blue in ("blue-1", "blue-2"):
        world.ads.give(blue, world.resources(blue))
    until(lambda: answered(world) == BOTH)


def test_another_slot_without_its_resource_lets_pass(world: World) -> None:
    slot = f"inbound/{HTTP}/http/cors"
    reloads = f"extension_config_discovery.http_filter.{slot}.config_reload"
    before = world.envoys["blue-1"].stats(reloads)
    world.ads.give("blue-1", without(world.resources("blue-1"), slot))
    until(lambda: world.envoys["blue-1"].stats(reloads) != before)
    assert answered(world) == BOTH
    world.ads.give("blue-1", world.resources("blue-1"))


def test_a_gateway_forwards_only_the_meshs_own_names_and_protocols(world: World) -> None:
    at = (world.addresses["east-west/west"], EAST_WEST)
    assert greeted(at, asked_for(world), "isthmus-h2") == "forwarded"
    assert greeted(at, asked_for(world), "h2") == "forwarded", "gRPC's own client has no other"
    assert greeted(at, asked_for(world), "http/1.1") == "closed"
    assert greeted(at, "xds", "isthmus-h2") == "closed"
    assert greeted(at, asked_for(world).replace(".v1.", ".v0."), "isthmus-h2") == "closed"
    assert greeted(at, f"a{asked_for(world)}", "isthmus-h2") == "closed"


def test_a_gateways_tcp_fence_without_its_resource_denies_new_connections(world: World) -> None:
    at, given = (world.addresses["east-west/west"], EAST_WEST), world.resources("east-west/west")
    fence = next(r.name for r in given if r.type == Type.EXTENSION and r.name.endswith("/tcp/fence"))
    world.ads.give("east-west/west", without(given, fence))
    until(lambda: greeted(at, asked_for(world), "isthmus-h2") == "closed")
    world.ads.give("east-west/west", given)
    until(lambda: greeted(at, asked_for(world), "isthmus-h2") == "forwarded")


@pytest.mark.parametrize(
    ("domain", "identity", "status"),
    [
        ("east", "mesh/shop/node/anyone", b"HTTP/1.1 200 OK"),
        ("east", "mesh/other/node/front", b""),
        ("east", "mesh/shop/agent/a", b""),
        ("stranger", "mesh/shop/node/front", b""),
        (None, "", b""),
    ],
    ids=["a node of this mesh", "another mesh's node", "no workload", "a domain that is not trusted", "nobody"],
)
def test_an_instance_takes_requests_of_its_own_mesh_only(
    world: World, tmp_path: Path, domain: str | None, identity: str, status: bytes
) -> None:
    at = (world.addresses["blue-1"], inbound(HTTP))
    signed_by = world.domains.get(domain or "") or Domain("stranger.example")
    chain = signed_by.leaf(f"spiffe://{signed_by.name}/{identity}") if domain else None
    assert asked(at, tmp_path, chain).startswith(status)
    assert bool(asked(at, tmp_path, chain)) == bool(status)


def test_an_instance_takes_no_plaintext(world: World) -> None:
    with socket.create_connection((world.addresses["blue-1"], inbound(HTTP)), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: colors.local\r\n\r\n")
        assert received(connection) == b""


def without(resources: list[Resource], name: str) -> list[Resource]:
    return [r for r in resources if r.name != name]


def greeted(at: tuple[str, int], name: str, alpn: str) -> str:
    """Whether a server behind a gateway answers a TLS greeting."""
    context = _client(alpn)
    try:
        with socket.create_connection(at, timeout=5) as raw, context.wrap_socket(raw, server_hostname=name):
            return "forwarded"
    except (ssl.SSLError, ConnectionError):
        return "closed"


def asked(at: tuple[str, int], folder: Path, chain: tuple[bytes, bytes] | None) -> bytes:
    """The first bytes of the answer to a request over the mesh's own HTTP/1.1; empty if it is refused."""
    context = _client("isthmus-h1")
    if chain:
        (folder / "leaf.pem").write_bytes(chain[0])
        (folder / "key.pem").write_bytes(chain[1])
        context.load_cert_chain(folder / "leaf.pem", folder / "key.pem")
    with socket.create_connection(at, timeout=5) as raw:
        try:
            with context.wrap_socket(raw, server_hostname="any.isthmus.internal") as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: colors.local\r\n\r\n")
                return received(connection)
        except (ssl.SSLError, ConnectionError):
            return b""


def received(connection: socket.socket) -> bytes:
    """What comes, nothing if the other side closes."""
    try:
        return connection.recv(1000)
    except (ssl.SSLError, ConnectionError):
        return b""


def _client(alpn: str) -> ssl.SSLContext:
    """A client that trusts anyone: what it is told, and by whom, is not what these tests are about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context
