"""Joined bytes are those that protobuf itself would write."""

from dataclasses import replace
from uuid import UUID

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

from isthmus.ir.mesh import Listener, Match, Node, Outlier, Protocol, Route, Service, Target, TcpPort
from isthmus.ir.transport import Calling, Demand
from isthmus.xds import backends, routes, vips
from isthmus.xds.directory import Backend, Directory, Facts
from isthmus.xds.endpoints import (
    HEALTH,
    Health,
    Here,
    LocalInstance,
    RemoteCluster,
    RemoteNode,
    RemoteSlot,
    Topology,
    endpoints,
)
from isthmus.xds.joined import around, field

BOTH_WAYS = Calling(None, Demand(None, ("n.example",)), "n.example", proxied=True, asked=False, bare=True)
DEFAULT = Route(("r", "x"), Match(), (Target("blue", 80, 1),), 15_000)


@pytest.mark.parametrize("length", [1, 127, 128, 16_383, 16_384, 3_000_000])
def test_a_field_is_written_as_protobuf_writes_it(length: int) -> None:
    assert field(1, b"x" * length) == route_components_pb2.VirtualHost(name="x" * length).SerializeToString()


def hosted(service: Service) -> tuple[routes.Hosted, ...]:
    """Its virtual hosts."""
    return routes.requested(service, own=False).hosts


@pytest.mark.parametrize("services", [0, 1, 200])
def test_a_joined_table_is_the_message_built_whole(services: int) -> None:
    joined = routes.outbound(host for i in range(services) for host in hosted(Service(f"s{i}.local", (DEFAULT,))))
    parsed = route_pb2.RouteConfiguration.FromString(joined.body)
    hosts = [*(f"service/s{i}.local" for i in range(services)), "otherwise"]
    assert [host.name for host in parsed.virtual_hosts] == hosts
    assert parsed.SerializeToString(deterministic=True) == joined.body


def test_a_joined_virtual_host_is_the_message_built_whole() -> None:
    asked = routes.Asked("s.local", "s.local", None)
    joined = routes.inside(routes.by_header(asked, Service("s.local", (DEFAULT, DEFAULT))))
    parsed = route_pb2.RouteConfiguration.FromString(joined.body)
    assert len(parsed.virtual_hosts[0].routes) == 3
    assert [*parsed.virtual_hosts[0].routes[0].request_headers_to_remove] == ["x-app-mesh-virtual-service"]
    assert parsed.SerializeToString(deterministic=True) == joined.body


@pytest.mark.parametrize("weights", [(0,), (1,), (1, 300), (0, 1, 0)])
def test_joined_routes_are_the_messages_built_whole(weights: tuple[int, ...]) -> None:
    targets = tuple(Target(f"n{i}", 80, weight) for i, weight in enumerate(weights))
    service = Service("s.local", (DEFAULT._replace(targets=targets),), tcp=(TcpPort(9000, None, targets),))
    (host,) = hosted(service)
    parsed = route_components_pb2.VirtualHost.FromString(host.body)
    tunnelled, request, _ = parsed.routes
    wanted = [(f"node/n{i}/80", weight) for i, weight in enumerate(weights)]
    for route in (tunnelled, request):
        said = [(each.name, each.weight.value) for each in route.route.weighted_clusters.clusters]
        assert said == (wanted if len(weights) > 1 else [])
        assert route.route.cluster == ("node/n0/80" if weights == (1,) else "")
        assert bool(route.direct_response.status) is not any(weights)
    assert parsed.SerializeToString(deterministic=True) == host.body


@pytest.mark.parametrize("address", ["127.1.2.3", "10.1.2.3", "fd00::1"])
def test_a_joined_listener_is_the_message_built_whole(address: str) -> None:
    for joined in (vips.for_requests("s.local", address, 80), vips.for_connections("s.local", address, 80)):
        parsed = listener_pb2.Listener.FromString(joined.body)
        at = parsed.address.socket_address
        assert (parsed.name, at.address, at.port_value) == (joined.name, address, 80)
        assert parsed.freebind.value is not (address == "127.1.2.3")
        assert parsed.SerializeToString(deterministic=True) == joined.body


@pytest.mark.parametrize("health", HEALTH)
@pytest.mark.parametrize(("weight", "ports"), [(0, {}), (300, {80: 15006})], ids=["plaintext", "mtls"])
def test_joined_endpoints_are_the_message_built_whole(health: Health, weight: int, ports: dict[int, int]) -> None:
    facts = Facts(UUID(int=7), "shop", "label", "isthmus.internal", permissive=True)
    backends = {"node/n/80": Backend("n", 80, "id", "http", permissive=True)}
    ours = [LocalInstance(f"n{i}", "n", f"10.0.0.{i}", ports, health=health, weight=weight) for i in (2, 1)]
    both = LocalInstance("b", "n", "10.0.0.3", ports, health=health, weight=weight, also="fd00::3", families=(6, 4))
    slots = tuple(RemoteSlot(slot, health=health, weight=weight, ports=(80,)) for slot in ("s2", "s1"))
    theirs = RemoteCluster("west", "eu-west-1", "west", nodes={"n": RemoteNode(slots, len(slots))})
    here = Here("east", UUID(int=1), "us-east-1", "east")
    joined = endpoints(Directory(facts, backends=backends), Topology([*ours, both], [theirs]), here)["node/n/80"]
    parsed = endpoint_pb2.ClusterLoadAssignment.FromString(joined.body)
    listed = [[each.load_balancing_weight.value for each in place.lb_endpoints] for place in parsed.endpoints]
    assert listed == [[max(weight, 1)] * 3, [max(weight, 1)] * 2]
    assert [place.load_balancing_weight.value for place in parsed.endpoints] == [sum(each) for each in listed]
    assert parsed.SerializeToString(deterministic=True) == joined.body


def test_what_stands_around_fields_makes_the_message_with_them() -> None:
    whole = listener_pb2.Listener(name="n", stat_prefix="s", traffic_direction=base_pb2.INBOUND)
    whole.freebind.value = True
    assert b"".join(around(whole)) == whole.SerializeToString(deterministic=True)
    before, between, after = around(whole, "freebind", "traffic_direction")
    assert before == listener_pb2.Listener(name="n").SerializeToString()
    assert (between, after) == (b"", listener_pb2.Listener(stat_prefix="s").SerializeToString())


@pytest.mark.parametrize("permissive", [True, False])
@pytest.mark.parametrize("identities", [(), ("spiffe://a/mesh/m/node/n",), ("spiffe://a/n", "spiffe://b/n")])
@pytest.mark.parametrize("secured", [None, BOTH_WAYS, replace(BOTH_WAYS, proxied=False)], ids=["mtls", "tls", "bare"])
def test_a_joined_backend_is_the_message_built_whole(
    secured: Calling | None, identities: tuple[str, ...], *, permissive: bool
) -> None:
    listener = Listener(80, Protocol.GRPC, outlier=Outlier(5, 1000, 1000, 50))
    node = Node("n", (listener,), ("east",), identities, (), exported=True, permissive=permissive)
    joined = backends.backend(node, listener, permissive=permissive, secured=secured)
    parsed = cluster_pb2.Cluster.FromString(joined.body)
    context = tls_pb2.UpstreamTlsContext.FromString(parsed.transport_socket.typed_config.value)
    demanded = context.common_tls_context.combined_validation_context.default_validation_context
    if secured is None or not secured.proxied:
        names = [san.matcher.exact for san in demanded.match_typed_subject_alt_names]
        assert names == [*(identities or ["spiffe://nowhere.invalid"])]
    assert (parsed.name, parsed.alt_stat_name) == ("node/n/80", "node/n/80")
    assert len(parsed.transport_socket_matches) == int(permissive or secured is not None)
    assert context.SerializeToString(deterministic=True) == parsed.transport_socket.typed_config.value
    assert parsed.SerializeToString(deterministic=True) == joined.body
