"""What gRPC's own client is told where golden cases do not show it: what it must not do, and names."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.extensions.clusters.aggregate.v3 import cluster_pb2 as aggregate_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

from isthmus.ir.mesh import Listener, Node, Protocol
from isthmus.ir.transport import Calling, Demand
from isthmus.model.key import Key
from isthmus.xds import endpoints, names, proxyless_backends, tls
from isthmus.xds.backends import backend
from isthmus.xds.directory import Backend, Directory, Facts
from isthmus.xds.endpoints import LocalInstance, RemoteCluster, RemoteNode, RemoteSlot, Topology
from isthmus.xds.origins import Known, origin
from isthmus.xds.snapshot import Resource, Type

NAME = "node/blue/9090"
MESH = Facts(UUID(int=9), "shop", "label", "isthmus.internal", permissive=True)
HERE = endpoints.Here("east", UUID(int=1), "us-east-1", "east")
BLUE = Node(
    "blue",
    (Listener(9090, Protocol.GRPC),),
    ("east",),
    ("spiffe://east/mesh/shop/node/blue",),
    (),
    exported=True,
    permissive=True,
)
PROXIED, BARE = LocalInstance("b1", "blue", "10.0.0.1", {9090: 15006}), LocalInstance("b2", "blue", "10.0.0.2")


def found(
    *instances: LocalInstance, west: RemoteNode | None = None, gateways: tuple[str, ...] = ("1.2.3.4:1",)
) -> dict[str, Resource]:
    directory = Directory(
        MESH, backends={NAME: Backend("blue", 9090, "service", "grpc", permissive=True)}, peers={"west": ("eu", "west")}
    )
    remote = RemoteCluster("west", "eu", "west", gateways=gateways, nodes={"blue": west or RemoteNode()})
    return dict(endpoints.endpoints(directory, Topology(instances, [remote]), HERE))


def made(cluster: Resource, given: dict[str, Resource]) -> tuple[dict[tuple[str, str], Resource], list[str]]:
    resources, lost = proxyless_backends.backend(cluster, given, (given["peer/west"],))
    return {(r.type, r.name): r for r in resources}, lost


def parts(resources: dict[tuple[str, str], Resource]) -> dict[str, list[tuple[str, int]]]:
    """The parts of the backend in their order, with their addresses."""
    whole = cluster_pb2.Cluster.FromString(resources[Type.CLUSTER, NAME].body)
    listed = aggregate_pb2.ClusterConfig.FromString(whole.cluster_type.typed_config.value).clusters
    return {name: addresses(resources[Type.ENDPOINTS, name]) for name in listed}


def addresses(resource: Resource) -> list[tuple[str, int]]:
    said = endpoint_pb2.ClusterLoadAssignment.FromString(resource.body)
    sockets = [e.endpoint.address.socket_address for place in said.endpoints for e in place.lb_endpoints]
    return [(s.address, s.port_value) for s in sockets]


def cluster(*, permissive: bool = True) -> Resource:
    return backend(BLUE, BLUE.listeners[0], permissive=permissive)


def test_plaintext_has_no_endpoints_where_it_is_not_permitted() -> None:
    given = found(PROXIED, BARE)
    assert parts(made(cluster(), given)[0]) == {
        names.mtls(NAME): [("10.0.0.1", 15006)],
        names.plaintext(NAME): [("10.0.0.2", 9090)],
    }
    assert parts(made(cluster(permissive=False), given)[0]) == {names.mtls(NAME): [("10.0.0.1", 15006)]}


def test_a_backend_without_instances_is_called_by_nobody_in_mutual_tls() -> None:
    resources, lost = made(cluster(), found())
    assert (parts(resources), lost) == ({names.mtls(NAME): []}, [])


def _another_certificate(said: tls_pb2.UpstreamTlsContext) -> None:
    said.common_tls_context.tls_certificate_sds_secret_configs[0].name = "certificate/x"


def _another_trust(said: tls_pb2.UpstreamTlsContext) -> None:
    said.common_tls_context.combined_validation_context.validation_context_sds_secret_config.name = "authority/x"


def _a_file(said: tls_pb2.UpstreamTlsContext) -> None:
    said.common_tls_context.validation_context.trusted_ca.filename = "/ca.pem"


def _nobody_named(said: tls_pb2.UpstreamTlsContext) -> None:
    del said.common_tls_context.combined_validation_context.default_validation_context.match_typed_subject_alt_names[:]


def _a_pattern(said: tls_pb2.UpstreamTlsContext) -> None:
    sans = said.common_tls_context.combined_validation_context.default_validation_context.match_typed_subject_alt_names
    sans[0].matcher.prefix = "spiffe://"


@pytest.mark.parametrize(
    "otherwise", [_another_certificate, _another_trust, _a_file, _nobody_named, _a_pattern], ids=lambda f: f.__name__
)
def test_a_way_that_is_not_the_meshs_own_is_not_gone_by_anything_weaker(
    otherwise: Callable[[tls_pb2.UpstreamTlsContext], None],
) -> None:
    message = cluster_pb2.Cluster.FromString(cluster().body)
    context = tls_pb2.UpstreamTlsContext.FromString(message.transport_socket.typed_config.value)
    otherwise(context)
    message.transport_socket.typed_config.Pack(context)
    refused(message)


def test_nor_is_a_way_by_endpoint_that_nobody_knows_here() -> None:
    message = cluster_pb2.Cluster.FromString(cluster().body)
    message.transport_socket_matches.add(name="another")
    refused(message)


def test_nor_is_tls_towards_instances_without_a_proxy() -> None:
    message = cluster_pb2.Cluster.FromString(cluster().body)
    message.transport_socket_matches[0].transport_socket.CopyFrom(message.transport_socket)
    refused(message)


def test_a_backend_that_is_one_services_alone_has_the_endpoints_of_its_port() -> None:
    message = cluster_pb2.Cluster.FromString(cluster().body)
    message.name = f"{NAME}/a.local"
    resources, _ = proxyless_backends.backend(
        Resource(Type.CLUSTER, message.name, message.SerializeToString()), found(PROXIED), ()
    )
    near = next(r for r in resources if (r.type, r.name) == (Type.ENDPOINTS, names.mtls(message.name)))
    assert addresses(near) == [("10.0.0.1", 15006)]


def test_nor_is_a_way_without_tls() -> None:
    message = cluster_pb2.Cluster.FromString(cluster().body)
    message.transport_socket.CopyFrom(tls.plaintext().transport_socket)
    refused(message)


def refused(message: cluster_pb2.Cluster) -> None:
    resources, lost = made(Resource(Type.CLUSTER, NAME, message.SerializeToString()), found(PROXIED, BARE))
    assert parts(resources) == {names.mtls(NAME): []}
    assert "nobody is called" in lost[0]


def test_instances_without_a_proxy_are_not_called_where_they_take_app_meshs_tls() -> None:
    """Those that have one are: between proxies it is the mesh's own."""
    secured = Calling(None, Demand(None), "", proxied=False, asked=False, bare=True)
    tls_there = backend(BLUE, BLUE.listeners[0], permissive=True, secured=secured)
    near = {names.mtls(NAME): [("10.0.0.1", 15006)]}
    resources, lost = made(tls_there, found(PROXIED, BARE))
    assert (parts(resources), ["these are not called" in each for each in lost]) == (near, [True])
    resources, lost = made(tls_there, found(PROXIED))
    assert (parts(resources), lost) == (near, [])


def test_each_address_of_an_instance_is_told_once() -> None:
    """GRPC refuses all endpoints where two have one."""
    both = replace(PROXIED, also="fd00::1", families=(4, 6))
    also = replace(both, name="b3", address="10.0.0.3")
    near = made(cluster(), found(both, also))[0][Type.ENDPOINTS, names.mtls(NAME)]
    (place,) = endpoint_pb2.ClusterLoadAssignment.FromString(near.body).endpoints
    further = [[a.address.socket_address.address for a in e.endpoint.additional_addresses] for e in place.lb_endpoints]
    assert (addresses(near), further) == ([("10.0.0.1", 15006), ("10.0.0.3", 15006)], [["fd00::1"], []])
    met = made(cluster(), found(both, replace(PROXIED, name="b3", address="fd00::1")))[0]
    (place,) = endpoint_pb2.ClusterLoadAssignment.FromString(met[Type.ENDPOINTS, names.mtls(NAME)].body).endpoints
    assert not any(each.endpoint.additional_addresses for each in place.lb_endpoints)


def test_another_cluster_is_its_gateways_each_once() -> None:
    slots = tuple(RemoteSlot(f"s{n}", f"zone{n}", weight=n, ports=(9090,)) for n in (1, 2, 3))
    sick = replace(slots[0], slot="sick", health="unhealthy")
    resources, _ = made(cluster(), found(west=RemoteNode((*slots, sick), 4), gateways=("1.2.3.4:1", "1.2.3.5:1")))
    assert parts(resources) == {names.elsewhere(NAME): [("1.2.3.4", 1), ("1.2.3.5", 1)]}
    said = endpoint_pb2.ClusterLoadAssignment.FromString(resources[Type.ENDPOINTS, names.elsewhere(NAME)].body)
    (place,) = said.endpoints
    assert {e.endpoint.hostname for e in place.lb_endpoints} == {"any.9090.service.label.v1.isthmus.internal"}
    assert [e.load_balancing_weight.value for e in place.lb_endpoints] == [6, 6]
    assert (place.priority, place.load_balancing_weight.value, place.locality.sub_zone) == (0, 12, "west")


def test_what_is_not_well_is_not_called() -> None:
    assert parts(made(cluster(), found(replace(PROXIED, health="draining"), replace(BARE, health="unhealthy")))[0]) == {
        names.mtls(NAME): []
    }


@pytest.mark.parametrize("part", [names.mtls, names.plaintext, names.elsewhere])
def test_a_part_of_a_backend_leads_to_its_node(part: Callable[[str], str]) -> None:
    assert origin(part(names.backend("a/b", 80)), "node/front@1.40", Known("shop")) == Key("VirtualNode", "a/b")


def test_a_name_that_json_would_not_take_is_escaped_and_leads_back() -> None:
    """C-core ends with its application over it."""
    odd = replace(BLUE, name='a"b\\c\n/%d')
    made_of = backend(odd, odd.listeners[0], permissive=True)
    resources, _ = proxyless_backends.backend(made_of, {}, ())
    listed = {r.name for r in resources}
    assert not [name for name in listed if set(name) & set('"\\\n')]
    assert {origin(name, "node/front@1.40", Known("shop")) for name in listed} == {Key("VirtualNode", odd.name)}
