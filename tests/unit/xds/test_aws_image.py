"""What an Envoy of App Mesh's image gets: App Mesh's ports, and nothing that its host could not bear."""

from collections.abc import Iterable

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from isthmus.model.document import Document
from isthmus.xds.aws_image import Capture, compose_gateway, compose_node
from isthmus.xds.compile import compile_mesh
from isthmus.xds.consistency import ASKED_FOR, wanted
from isthmus.xds.proxy import Composed
from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.golden.cases import surroundings

PORTS = {8080: "http", 9090: "grpc", 9999: "tcp"}
MESH = build.mesh(build.node("front", ports=PORTS, backends=[build.SERVICE]))
INBOUND = "lds_ingress_0.0.0.0_15000"


def view(name: str) -> list[Resource]:
    snapshot = compile_mesh(MESH, surroundings(), "east").snapshot
    return [snapshot.resources[r.version] for r in snapshot.manifest.refs(name)]


def listeners(composed: Iterable[Composed]) -> dict[str, listener_pb2.Listener]:
    found = (e.resource for e in composed if e.resource.type == Type.LISTENER)
    return {r.name: listener_pb2.Listener.FromString(r.body) for r in found}


def clusters(composed: Iterable[Composed]) -> dict[str, cluster_pb2.Cluster]:
    found = (e.resource for e in composed if e.resource.type == Type.CLUSTER)
    return {r.name: cluster_pb2.Cluster.FromString(r.body) for r in found}


def at(listener: listener_pb2.Listener) -> str:
    address = listener.address.socket_address
    return f"{address.address}:{address.port_value}"


NODE, EDGE = compose_node(view("node/front@1.40"), {}), compose_gateway(view("gateway/ingress@1.40"), {})


def test_a_node_listens_where_app_meshs_rules_lead_to() -> None:
    assert {name: at(listener) for name, listener in listeners(NODE).items()} == {
        INBOUND: "0.0.0.0:15000",
        "outbound": "0.0.0.0:15001",
    }


def test_chains_are_chosen_by_the_port_that_was_meant_and_lead_to_the_application_on_loopback() -> None:
    inbound = listeners(NODE)[INBOUND]
    assert [f.name for f in inbound.listener_filters] == ["envoy.filters.listener.original_dst"]
    chains = {
        c.filter_chain_match.destination_port.value: [f.name for f in c.filters][-1] for c in inbound.filter_chains
    }
    http = "envoy.filters.network.http_connection_manager"
    assert chains == {8080: http, 9090: http, 9999: "envoy.filters.network.tcp_proxy"}
    assigned = [e.resource for e in NODE if e.resource.type == Type.ENDPOINTS and e.resource.name.startswith("app/")]
    messages = [endpoint_pb2.ClusterLoadAssignment.FromString(r.body) for r in assigned]
    found = {m.cluster_name: m.endpoints[0].lb_endpoints[0].endpoint.address.socket_address for m in messages}
    assert {name: (a.address, a.port_value) for name, a in found.items()} == {
        f"app/{port}": ("127.0.0.1", port) for port in PORTS
    }


def test_nothing_needs_a_key_a_warden_or_an_internal_listener() -> None:
    for composed in (NODE, EDGE):
        bodies = b"".join(e.resource.body for e in composed)
        for word in (
            b"identity",
            b"bundle",
            b"transport_sockets.tls",
            b"opentelemetry",
            b"internal_listener",
            b"peer/",
        ):
            assert word not in bodies, word
        assert {e.resource.type for e in composed} >= {Type.LISTENER, Type.ROUTES, Type.CLUSTER, Type.EXTENSION}
        assert Type.SECRET not in {e.resource.type for e in composed}


def test_a_gateway_listens_at_its_ports_and_for_itself_on_loopback() -> None:
    assert {name: at(listener) for name, listener in listeners(EDGE).items()} == {
        "ingress/9080": "0.0.0.0:9080",
        "outbound": "127.0.0.1:15001",
    }
    inside = clusters(EDGE)["self/9080"].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address
    assert (inside.socket_address.address, inside.socket_address.port_value) == ("127.0.0.1", 15001)


def test_a_node_without_listeners_only_calls() -> None:
    mesh = build.mesh(build.node("front", port=None, backends=[build.SERVICE]))
    snapshot = compile_mesh(mesh, surroundings(), "east").snapshot
    composed = compose_node([snapshot.resources[r.version] for r in snapshot.manifest.refs("node/front@1.40")], {})
    assert set(listeners(composed)) == {"outbound"}


def test_where_the_rules_lead_may_be_said() -> None:
    made = listeners(compose_node(view("node/front@1.40"), {}, Capture("127.0.0.9", 1, 2)))
    assert {at(each) for each in made.values()} == {"127.0.0.9:1", "127.0.0.9:2"}


def test_every_extension_says_its_type() -> None:
    """The image sets `no_extension_lookup_by_name`: a name alone is refused."""
    for listener in [*listeners(NODE).values(), *listeners(EDGE).values()]:
        for each in [*listener.listener_filters, *(f for c in listener.filter_chains for f in c.filters)]:
            assert each.typed_config.type_url or each.config_discovery.type_urls, each.name
            if each.typed_config.Is(hcm_pb2.HttpConnectionManager.DESCRIPTOR):
                manager = hcm_pb2.HttpConnectionManager.FromString(each.typed_config.value)
                assert not manager.HasField("tracing")
                for one in manager.http_filters:
                    assert one.typed_config.type_url or one.config_discovery.type_urls, one.name


Chains = dict[str, tuple[int, list[str], str]]
"""By name: the port (0: any), names in TLS, and what is last in each."""


def sending(egress: str, *more: Document, settings: build.Json = None) -> list[Composed]:
    """What a node gets that sends."""
    mesh = build.mesh(*more, spec={"egressFilter": {"type": egress}}, settings=settings or {})
    snapshot = compile_mesh(mesh, surroundings(), "east").snapshot
    return compose_node([snapshot.resources[r.version] for r in snapshot.manifest.refs("node/front@1.40")], {})


def outbound(egress: str, *more: Document) -> Chains:
    """The chains by which a node sends."""
    composed = sending(egress, *more)
    chains = listeners(composed)["outbound"].filter_chains
    matches = {chain.name: (chain.filter_chain_match, chain.filters[-1].name) for chain in chains}
    return {
        name: (match.destination_port.value, list(match.server_names), last) for name, (match, last) in matches.items()
    }


DB = (
    build.node("db", port=5432, protocol="tcp"),
    build.service("db.local", node="db"),
    build.node("front", backends=[build.SERVICE, "db.local"]),
)
HTTP, PIPE = "envoy.filters.network.http_connection_manager", "envoy.filters.network.tcp_proxy"
AWS: Chains = {"original/aws": (443, ["*.amazonaws.com"], PIPE)}
TO_DB: Chains = {"outbound/tcp/5432": (5432, [], "tcp/db.local/5432")}


def test_where_nothing_is_let_out_everything_else_is_http_and_the_way_to_aws_is_open() -> None:
    closed: Chains = {"outbound": (0, [], HTTP), "outbound/443": (443, [], HTTP)}
    assert outbound("DROP_ALL") == AWS | closed
    assert outbound("DROP_ALL", *DB) == AWS | closed | TO_DB


def test_what_is_let_out_goes_on_except_requests_at_ports_where_backends_take_them() -> None:
    on: Chains = {"original": (0, [], PIPE), "original/443": (443, [], PIPE)}
    http: Chains = {"outbound/80": (80, [], HTTP), "outbound/8080": (8080, [], HTTP)}
    assert outbound("ALLOW_ALL", *DB) == AWS | on | http | TO_DB


def test_tcp_services_are_told_apart_by_addresses_that_the_rules_redirect() -> None:
    """Loopback is left out by the rules, so chains for the default range would never be chosen."""
    zoo = build.node("zoo", port=5432, protocol="tcp"), build.service("zoo.local", node="zoo")
    both = *DB[:2], *zoo, build.node("front", backends=["db.local", "zoo.local", build.SERVICE])
    names_ = {"outbound/vip/db.local/5432", "outbound/vip/zoo.local/5432"}
    assert not names_ & outbound("DROP_ALL", *both).keys()
    composed = sending("DROP_ALL", *both, settings={"vips": "10.78.0.0/16"})
    chains = {c.name: c for c in listeners(composed)["outbound"].filter_chains if c.name.startswith("outbound/vip")}
    assert chains.keys() == names_, "requests need none: Host says which service is meant"
    for chain in chains.values():
        (prefix,) = chain.filter_chain_match.prefix_ranges
        assert (prefix.address_prefix[:6], prefix.prefix_len.value) == ("10.78.", 32)
    listed, asked = {(e.resource.type, e.resource.name) for e in composed}, set(_asked(composed))
    assert {each for each in listed if each[0] in ASKED_FOR} == asked


def _asked(composed: Iterable[Composed]) -> Iterable[tuple[str, str]]:
    for each in composed:
        yield from ((want.type, want.name) for want in wanted(each.resource) if want.type in ASKED_FOR)


@pytest.mark.parametrize("egress", ["DROP_ALL", "ALLOW_ALL"])
def test_a_backend_at_443_shares_it_with_aws_only(egress: str) -> None:
    at_443 = build.node("db", port=443, protocol="tcp"), *DB[1:]
    made = {name: chain for name, chain in outbound(egress, *at_443).items() if chain[0] == 443}
    assert made == AWS | {"outbound/tcp/443": (443, [], "tcp/db.local/443")}
    web = build.node("db", port=443, protocol="http"), *DB[1:]
    made = {name: chain for name, chain in outbound(egress, *web).items() if chain[0] == 443}
    assert made == AWS | {"outbound/443": (443, [], HTTP)}


def test_a_port_of_both_sorts_is_tcps() -> None:
    both = build.node("db", port=8080, protocol="tcp"), *DB[1:]
    made = {name: chain for name, chain in outbound("ALLOW_ALL", *both).items() if chain[0] == 8080}
    assert made == {"outbound/tcp/8080": (8080, [], "tcp/db.local/8080")}


def test_what_belongs_to_requests_is_left_out_where_no_port_is_left_for_them() -> None:
    """Envoy would not ask for it, and a rollout would wait for its ACK for ever."""
    tcp = (
        build.node("db", ports={80: "tcp", 8080: "tcp"}),
        build.service("db.local", node="db"),
        build.node("front", backends=["db.local"]),
    )
    for more, expected in ((tcp, False), (DB, True)):
        composed = sending("ALLOW_ALL", *more)
        listed = {(e.resource.type, e.resource.name) for e in composed}
        assert ((Type.ROUTES, "outbound") in listed) is expected
        assert ((Type.EXTENSION, "outbound/http/fence") in listed) is expected
        assert (HTTP in {last for _, _, last in outbound("ALLOW_ALL", *more).values()}) is expected


def test_something_reads_before_a_chain_is_chosen_only_at_443() -> None:
    made = listeners(NODE)
    assert [f.name for f in made[INBOUND].listener_filters] == ["envoy.filters.listener.original_dst"]
    first, second = made["outbound"].listener_filters
    assert (first.name, first.HasField("filter_disabled")) == ("envoy.filters.listener.original_dst", False)
    only = second.filter_disabled.not_match.destination_port_range
    assert (second.name, only.start, only.end) == ("envoy.filters.listener.tls_inspector", 443, 444)


def test_no_name_is_looked_up_and_no_application_waits_for_a_handshake() -> None:
    mesh = build.mesh(*DB, build.node("db", port=5432, protocol="tcp"), spec={"egressFilter": {"type": "ALLOW_ALL"}})
    snapshot = compile_mesh(mesh, surroundings(), "east").snapshot
    for name in ("front", "db"):
        view = [snapshot.resources[r.version] for r in snapshot.manifest.refs(f"node/{name}@1.40")]
        composed = compose_node(view, {})
        assert b"dynamic_forward_proxy" not in b"".join(e.resource.body for e in composed)
        assert {clusters(composed)[name].type for name in ("egress", "original")} == {cluster_pb2.Cluster.ORIGINAL_DST}
        for listener in listeners(composed).values():
            for each in (f for c in listener.filter_chains for f in c.filters):
                proxy = tcp_proxy_pb2.TcpProxy()
                assert not each.typed_config.Unpack(proxy) or proxy.upstream_connect_mode == tcp_proxy_pb2.IMMEDIATE


def shown(mode: str) -> dict[str, object]:
    """TLS of a listener."""
    return {"tls": {"mode": mode, "certificate": {"file": {"certificateChain": "/c.pem", "privateKey": "/c.key"}}}}


def test_app_meshs_tls_is_there_as_it_is_written_and_plaintext_where_it_is_not() -> None:
    node = build.document(
        "VirtualNode",
        "front",
        {
            "listeners": [
                {"portMapping": {"port": port, "protocol": protocol}} | (shown(mode) if mode else {})
                for port, protocol, mode in ((1, "http", "STRICT"), (2, "tcp", "PERMISSIVE"), (3, "http", ""))
            ]
        },
    )
    snapshot = compile_mesh(build.mesh(node), surroundings(), "east").snapshot
    composed = compose_node([snapshot.resources[r.version] for r in snapshot.manifest.refs("node/front@1.40")], {})
    inbound = listeners(composed)[INBOUND]
    assert [
        (
            c.filter_chain_match.destination_port.value,
            c.filter_chain_match.transport_protocol,
            bool(c.transport_socket.name),
        )
        for c in inbound.filter_chains
    ] == [(1, "", True), (2, "tls", True), (2, "raw_buffer", False), (3, "", False)]
    inspected = inbound.listener_filters[1].filter_disabled.not_match.destination_port_range
    assert (inspected.start, inspected.end) == (2, 3), "other ports keep nobody waiting"
    assert inbound.continue_on_listener_filters_timeout
    assert [e.resource.name for e in composed if e.resource.type == Type.SECRET] == ["file/serving/%2Fc.pem/%2Fc.key"]


def test_two_ports_that_take_both_are_inspected_and_no_other() -> None:
    mesh = build.mesh(build.node("front", ports={1: "http", 2: "http"}, listener=shown("PERMISSIVE")))
    snapshot = compile_mesh(mesh, surroundings(), "east").snapshot
    composed = compose_node([snapshot.resources[r.version] for r in snapshot.manifest.refs("node/front@1.40")], {})
    rules = listeners(composed)[INBOUND].listener_filters[1].filter_disabled.not_match.or_match.rules
    assert [rule.destination_port_range.start for rule in rules] == [1, 2]
