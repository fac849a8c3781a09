"""What an Envoy of App Mesh's image gets: App Mesh's ports, and nothing that its host could not bear."""

from collections.abc import Iterable

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from isthmus.xds.aws_image import Capture, compose_gateway, compose_node
from isthmus.xds.compile import compile_mesh
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
