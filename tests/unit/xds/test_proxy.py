"""Proxies: everything one Envoy gets, bound to where it stands, and nothing that it would never ask for."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2

from isthmus.model.definition import Definition
from isthmus.values import ANY, Sni, slot_id
from isthmus.xds import secrets
from isthmus.xds.compile import compile_mesh
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, Topology, endpoints
from isthmus.xds.proxy import AtGateway, Composed, compose_east_west, compose_gateway, compose_node
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Type, view_id
from tests import build
from tests.golden.cases import surroundings

BUNDLE = secrets.bundle({"east-1.acme.isthmus.internal": [b"-----BEGIN CERTIFICATE-----"]})
HERE = Here("east", UUID(int=0), "us-east-1", "east")
BLUE = LocalInstance("blue-1", "blue", "10.0.0.1", {8080: 15006})
EDGE = LocalInstance("edge-1", "ingress", "10.0.0.9", {9080: 80})


def compiled(definition: Definition | None = None) -> Mapping[str, list[Resource]]:
    """The views of a mesh in east."""
    snapshot = compile_mesh(definition or build.mesh(), surroundings(), "east").snapshot
    return {v: [snapshot.resources[r.version] for r in snapshot.manifest.refs(v)] for v in snapshot.manifest.views}


def directory(views: Mapping[str, list[Resource]]) -> Directory:
    found = Directory.read(views[AGENT_VIEW])
    assert found is not None
    return found


def listening(composed: Iterable[Composed]) -> dict[str, str]:
    """Where each listener binds; internal ones nowhere."""
    out = {}
    for each in composed:
        if each.resource.type == Type.LISTENER:
            message = listener_pb2.Listener.FromString(each.resource.body)
            at = message.address.socket_address
            out[message.name] = f"{at.address}:{at.port_value}" if message.HasField("address") else "inside"
    return out


def proven(composed: Iterable[Composed]) -> set[str]:
    return {each.resource.type for each in composed if each.proven}


def named(composed: Iterable[Composed], kind: Type) -> set[str]:
    return {each.resource.name for each in composed if each.resource.type == kind}


def test_a_sidecar_listens_where_its_instance_is() -> None:
    views = compiled()
    composed = compose_node(views["node/blue@1.40"], {}, BLUE, BUNDLE, outbound=15101)
    assert listening(composed) == {"inbound/8080": "10.0.0.1:15006", "outbound": "10.0.0.1:15101"}


def test_every_backend_has_endpoints_even_if_nothing_is_known_of_it() -> None:
    views = compiled()
    known = endpoints(directory(views), Topology([BLUE]), HERE)
    front = LocalInstance("front-1", "front", "10.0.0.2", {8080: 15006})
    for answers in (known, {}):
        composed = compose_node(views["node/front@1.40"], answers, front, BUNDLE)
        assert named(composed, Type.ENDPOINTS) == named(composed, Type.CLUSTER)


def test_what_is_definition_is_proven_and_what_comes_and_goes_is_not() -> None:
    composed = compose_node(compiled()["node/front@1.40"], {}, BLUE, BUNDLE)
    assert proven(composed) == {Type.LISTENER, Type.ROUTES, Type.CLUSTER, Type.EXTENSION}
    assert {e.resource.type for e in composed if not e.proven} == {Type.ENDPOINTS, Type.SECRET}


def test_a_port_without_an_inbound_port_is_left_out_with_all_that_nobody_would_ask_for() -> None:
    views = compiled(build.mesh(build.node("blue", ports={8080: "http", 9090: "tcp"})))
    composed = compose_node(views["node/blue@1.40"], {}, BLUE, BUNDLE)
    assert set(listening(composed)) == {"inbound/8080", "outbound"}
    assert not [e.resource.name for e in composed if "9090" in e.resource.name]


def test_a_gateway_binds_its_own_ports_and_keeps_its_way_inside() -> None:
    composed = compose_gateway(compiled()["gateway/ingress@1.40"], {}, EDGE, BUNDLE)
    assert listening(composed) == {"ingress/9080": "10.0.0.9:80", "outbound": "inside", "to/west": "inside"}


def test_an_east_west_gateway_has_a_backend_for_each_slot_and_one_for_any() -> None:
    views = compiled()
    at, facts = at_gateway(views, [BLUE]), directory(views).facts
    composed = compose_east_west([at], HERE, "192.0.2.1", 15443)
    service = directory(views).nodes["blue"].service
    slot = slot_id(HERE.cluster_id, facts.id, "blue", "blue-1")
    assert named(composed, Type.CLUSTER) == {Sni(s, 8080, service, facts.label).text() for s in (slot, ANY)}
    assert listening(composed) == {"east-west": "192.0.2.1:15443"}


@pytest.mark.parametrize(
    ("definition", "instance"),
    [
        (build.mesh(), LocalInstance("blue-1", "blue", "10.0.0.1")),
        (build.mesh(build.placement("blue", "west")), BLUE),
        (build.mesh(settings={"exports": "listed"}), BLUE),
        (build.mesh(), LocalInstance("blue-1", "blue", "10.0.0.1", {7070: 15006})),
    ],
    ids=["no proxy before it", "not placed here", "not exported", "not a port of its node"],
)
def test_an_east_west_gateway_has_no_backend_for_an_instance(definition: Definition, instance: LocalInstance) -> None:
    composed = compose_east_west([at_gateway(compiled(definition), [instance])], HERE, "192.0.2.1", 15443)
    assert named(composed, Type.CLUSTER) == set()


def test_two_meshes_share_an_east_west_gateway_without_a_name_in_common() -> None:
    views = compiled()
    other = compile_mesh(build.mesh(name="other"), replace(surroundings(), mesh_id=UUID(int=99)), "east").snapshot
    others = {v: [other.resources[r.version] for r in other.manifest.refs(v)] for v in other.manifest.views}
    composed = compose_east_west([at_gateway(views, [BLUE]), at_gateway(others, [BLUE])], HERE, "192.0.2.1", 15443)
    (listener,) = [e.resource for e in composed if e.resource.type == Type.LISTENER]
    chains = listener_pb2.Listener.FromString(listener.body).filter_chains
    assert len({tuple(c.filter_chain_match.server_names) for c in chains}) == 2
    keys = [(e.resource.type, e.resource.name) for e in composed]
    assert len(keys) == len(set(keys))
    assert len(named(composed, Type.CLUSTER)) == 4


def test_backends_of_an_east_west_gateway_count_in_statistics_by_node() -> None:
    composed = compose_east_west([at_gateway(compiled(), [BLUE])], HERE, "192.0.2.1", 15443)
    clusters = [cluster_pb2.Cluster.FromString(e.resource.body) for e in composed if e.resource.type == Type.CLUSTER]
    assert {c.alt_stat_name.rpartition("/")[0] for c in clusters} == {"node/blue/8080"}


def at_gateway(views: Mapping[str, list[Resource]], local: list[LocalInstance]) -> AtGateway:
    facts = directory(views)
    return AtGateway(views[view_id("east-west", facts.facts.label, "1.40")], facts, local)
