"""TCP services, run by real Envoys: in one cluster and across two, by weight, within limits, and only where said."""

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.contract.envoy.asking import connected, received
from tests.contract.envoy.stage import DOOR, HTTP, SECOND, TCP, THIRD, Door, Instance, Stage, inbound
from tests.until import until

STORE, OTHER = "store.local", "zoo.local"
"""The first by name has the port that both say."""

LISTENER = f"outbound/tcp/{TCP}"


def definition(
    targets: Any = None,  # noqa: ANN401 - JSON, as the next
    *,
    timeout: Any = None,  # noqa: ANN401
    listener: Any = None,  # noqa: ANN401
    transport: str = "permissive",
) -> Definition:
    """`front` calls `store.local`, which is `near` (east), `far` (west) or `plain`, and `zoo.local` on its port."""
    weighted = {"near": 100} if targets is None else targets
    places = {"near": "east", "far": "west", "plain": "east"}
    return build.mesh(
        build.node("front", port=HTTP, backends=[STORE, OTHER]),
        *(build.node(n, ports={TCP: "tcp", SECOND: "tcp"}, listener=listener) for n in ("near", "far")),
        build.node("plain", ports={TCP: "tcp"}),
        build.node("zoo", ports={TCP: "tcp", HTTP: "http"}),
        *(build.placement(node, cluster) for node, cluster in places.items()),
        build.router("store", ports={TCP: "tcp", THIRD: "tcp"}),
        build.route(
            "shares",
            router="store",
            protocol="tcp",
            match={"port": TCP},
            targets=[
                {"virtualNode": n, "weight": w} | ({} if n == "plain" else {"port": TCP}) for n, w in weighted.items()
            ],
            **({"timeout": timeout} if timeout else {}),
        ),
        build.route(
            "second",
            router="store",
            protocol="tcp",
            match={"port": THIRD},
            targets=[{"virtualNode": "near", "port": SECOND, "weight": 1}],
        ),
        build.route(targets=[{"virtualNode": "zoo", "port": HTTP, "weight": 1}]),
        build.service(STORE, router="store"),
        build.service(OTHER, node="zoo"),
        build.gateway(port=DOOR),
        build.gateway_route(service=OTHER, target_port=HTTP),
        targets={"zoo": 100},
        settings={"transport": transport},
    )


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    fars = [Instance(name, "far", "west") for name in ("far-1", "far-2")]
    made = Stage(
        Instance("front"),
        Instance("near"),
        Instance("plain", proxied=False),
        Instance("zoo"),
        *fars,
        doors=[Door("ingress")],
    )
    try:
        yield made
        assert made.ads.refused == []
    finally:
        made.stop()


def greeted(stage: Stage, port: int = TCP) -> str:
    """Who greets on a new connection of the application; nobody if it is closed, or not taken at all."""
    try:
        with connected(stage.addresses["front"], port) as connection:
            return received(connection).decode().strip()
    except OSError:
        return ""


def opened(stage: Stage, port: int = TCP) -> socket.socket:
    """A connection that somebody has greeted on."""
    connection = socket.create_connection((stage.addresses["front"], port), timeout=10)
    assert received(connection)
    return connection


def echoed(connection: socket.socket) -> bytes:
    """What comes back over a connection; nothing if it is closed."""
    try:
        connection.sendall(b"still there?")
    except OSError:
        return b""
    return received(connection)


def shares(stage: Stage, connections: int = 20) -> Mapping[str, int]:
    return Counter(greeted(stage) for _ in range(connections))


def connections(stage: Stage, server: str) -> int:
    """How many an application has of its proxy."""
    return sum(stage.envoys[server].stats(f"cluster.app/{TCP}.upstream_cx_active$").values())


def listener(stage: Stage) -> Resource:
    return next(r for r in stage.resources("front") if r.type == Type.LISTENER and r.name == LISTENER)


@pytest.mark.parametrize("transport", ["permissive", "strict"])
@pytest.mark.parametrize("node", ["near", "far"])
def test_a_server_that_speaks_first_is_heard_in_either_cluster(stage: Stage, node: str, transport: str) -> None:
    stage.apply(definition({node: 1}, transport=transport))
    names = {"near": {"near"}, "far": {"far-1", "far-2"}}[node]
    assert {greeted(stage) for _ in range(6)} == names
    with closing(opened(stage)) as connection:
        assert echoed(connection) == b"still there?"
    came = stage.envoys[min(names)].stats(f"tcp.inbound/{TCP}.downstream_cx_total")
    assert came[f"tcp.inbound/{TCP}.downstream_cx_total"], "it came through the server's proxy"


@pytest.mark.parametrize(("transport", "who"), [("permissive", "plain"), ("strict", "")])
def test_an_instance_without_a_proxy_is_called_where_the_mesh_allows_it(stage: Stage, transport: str, who: str) -> None:
    stage.apply(definition({"plain": 1}, transport=transport))
    assert greeted(stage) == who


def test_connections_are_shared_by_weight_across_clusters_and_a_weight_of_0_has_none(stage: Stage) -> None:
    stage.apply(definition({"near": 50, "far": 50, "plain": 0}))
    counted = shares(stage, 200)
    assert set(counted) == {"near", "far-1", "far-2"}
    assert 60 < counted["near"] < 140, "within 5.6 standard deviations of a fair coin"


def test_another_weight_counts_for_new_connections_and_leaves_open_ones_alone(stage: Stage) -> None:
    stage.apply(definition({"near": 1}))
    before = listener(stage)
    drained = stage.envoys["front"].stats("listener_manager.listener_modified")
    with closing(opened(stage)) as kept:
        stage.apply(definition({"far": 1}))
        assert {greeted(stage) for _ in range(4)} == {"far-1", "far-2"}
        assert echoed(kept) == b"still there?"
    assert listener(stage) == before
    assert stage.envoys["front"].stats("listener_manager.listener_modified") == drained, "nothing drains"


def test_without_any_weight_connections_are_closed(stage: Stage) -> None:
    stage.apply(definition({"near": 0}))
    assert shares(stage, 3) == {"": 3}
    stage.apply(definition({"near": 1}))
    assert greeted(stage) == "near"


def test_without_the_filter_that_leads_on_connections_are_closed(stage: Stage) -> None:
    stage.apply(definition())
    assert greeted(stage) == "near"
    given = stage.resources("front")
    stage.ads.give("front", [r for r in given if r.name != f"tcp/{STORE}/{TCP}"])
    until(lambda: greeted(stage) == "")
    stage.ads.give("front", given)
    until(lambda: greeted(stage) == "near")


@pytest.mark.parametrize("slot", ["fence", "access"])
def test_a_security_slot_without_its_resource_lets_nothing_be_said(stage: Stage, slot: str) -> None:
    """Envoy asks a TCP chain's RBAC at the caller's first bytes, so a server's greeting goes before it (measured)."""

    def said() -> bytes:
        with closing(opened(stage)) as connection:
            return echoed(connection)

    stage.apply(definition())
    given = stage.resources("front")
    stage.ads.give("front", [r for r in given if r.name != f"{LISTENER}/tcp/{slot}"])
    until(lambda: said() == b"")
    stage.ads.give("front", given)
    until(lambda: said() != b"")


def test_each_port_of_a_router_has_its_own_route(stage: Stage) -> None:
    stage.apply(definition())
    assert greeted(stage, THIRD) == "near"
    app = stage.app("near", SECOND)
    app.forget()
    with closing(opened(stage, THIRD)) as connection:
        assert echoed(connection) == b"still there?"
        assert (app.connections, [a.body for a in app.asked]) == (1, [b"still there?"])


def test_a_port_of_the_node_that_no_service_takes_connections_on_is_not_taken(stage: Stage) -> None:
    stage.apply(definition())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((stage.addresses["front"], SECOND), timeout=5)


def test_of_two_services_on_one_port_the_first_by_name_has_it_and_the_other_keeps_its_http(stage: Stage) -> None:
    stage.apply(definition())
    assert shares(stage, 4) == {"near": 4}
    assert stage.ask("front", OTHER).by == "zoo"
    assert stage.ask("front", STORE).status == 404, "it takes connections, not requests"


def test_a_gateway_takes_requests_as_before_and_no_connections(stage: Stage) -> None:
    stage.apply(definition())
    assert stage.enter("shop.example.com").by == "zoo"
    assert not [r.name for r in stage.resources("ingress") if r.name.startswith(("tcp/", "outbound/tcp/"))]


@pytest.mark.parametrize("node", ["near", "far"])
def test_what_is_said_before_the_way_is_open_arrives_whole(stage: Stage, node: str) -> None:
    stage.apply(definition({node: 1}))
    much = bytes(range(256)) * 4096
    with closing(socket.create_connection((stage.addresses["front"], TCP), timeout=10)) as connection:
        sender = threading.Thread(target=connection.sendall, args=(much,))
        sender.start()
        heard = b""
        while len(heard.partition(b"\n")[2]) < len(much) and (more := received(connection)):
            heard += more
        sender.join()
    assert heard.partition(b"\n")[2] == much


def test_a_stranger_does_not_reach_as_far_as_the_application(stage: Stage) -> None:
    stage.apply(definition())
    app = stage.app("near", TCP)
    app.forget()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["isthmus-tcp"])
    near = stage.addresses["near"]
    with suppress(ssl.SSLError, ConnectionError), connected(near, inbound(TCP)) as raw, context.wrap_socket(raw) as end:
        assert received(end) == b""
    assert app.connections == 0
    assert greeted(stage) == "near"
    assert app.connections == 1


@pytest.mark.parametrize("node", ["near", "far"])
def test_an_idle_connection_ends_when_its_route_says_and_a_busy_one_does_not(stage: Stage, node: str) -> None:
    stage.apply(definition({node: 1}, timeout={"idle": {"value": 300, "unit": "ms"}}))
    with closing(opened(stage)) as connection:
        assert received(connection) == b"", "closed before the ten seconds that we wait"
    stage.apply(definition({node: 1}))
    with closing(opened(stage)) as connection:
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert echoed(connection) == b"still there?"


def test_an_idle_connection_ends_when_its_server_says(stage: Stage) -> None:
    stage.apply(definition(listener={"timeout": {"tcp": {"idle": {"value": 300, "unit": "ms"}}}}))
    with closing(opened(stage)) as connection:
        assert received(connection) == b""


@pytest.mark.parametrize("node", ["near", "far"])
def test_an_application_takes_no_more_connections_than_its_pool_says(stage: Stage, node: str) -> None:
    stage.apply(definition({node: 1}, listener={"connectionPool": {"tcp": {"maxConnections": 1}}}))
    most = {"near": 1, "far": 2}[node]
    until(lambda: not any(connections(stage, server) for server in ("near", "far-1", "far-2")))
    taken = [socket.create_connection((stage.addresses["front"], TCP), timeout=10) for _ in range(4)]
    try:
        assert sorted(bool(received(c)) for c in taken) == [False] * (4 - most) + [True] * most
    finally:
        for connection in taken:
            connection.close()
    stage.apply(definition({node: 1}))
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(closing(opened(stage)))


def test_callers_do_not_notice_an_instance_that_is_gone(stage: Stage) -> None:
    stage.apply(definition({"far": 1}))
    stage.kill("far-1")
    try:
        assert shares(stage, 10) == {"far-2": 10}
    finally:
        stage.start()
    until(lambda: set(shares(stage, 4)) == {"far-1", "far-2"})
