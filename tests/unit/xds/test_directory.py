"""The agent's view: what is written is what is read."""

import json

import pytest

from isthmus.ir.found import CloudMap, Dns
from isthmus.values import service_id
from isthmus.xds import discovered
from isthmus.xds.compile import compile_mesh
from isthmus.xds.directory import Backend, Binding, Directory, NodeFacts
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Type
from tests import build
from tests.golden.cases import MESH_ID, resources, surroundings


def test_the_directory_reads_what_was_written() -> None:
    made = build.mesh(build.placement("green", "west"), build.transport("green"))
    snapshot = compile_mesh(made, surroundings(), "east").snapshot
    unknown = Resource.json(Type.ROUTES, "of a later version", {})
    found = Directory.read([*resources(snapshot, AGENT_VIEW), unknown])
    assert found is not None
    assert found.facts.domains == {c: f"{c}-1.acme.isthmus.internal" for c in ("east", "west")}
    assert found.facts.permissive
    assert set(found.nodes) == {"front", "blue"}
    assert found.nodes["blue"] == NodeFacts(
        service_id(MESH_ID, "blue"), ((8080, "http"),), exported=True, permissive=True
    )
    assert found.gateways == {"ingress": (9080,)}
    assert found.peers == {"west": ("eu-west-1", "west")}
    assert found.backends == {
        f"node/{node}/8080": Backend(node, 8080, service_id(MESH_ID, node), "http", permissive=node == "blue")
        for node in ("blue", "green")
    }
    assert Binding("blue", "blue", None, {"file": "blue"}) in found.bindings
    assert Binding("ingress", None, "ingress", {"file": "ingress"}) in found.bindings


@pytest.mark.parametrize("mode", ["permissive", "strict"])
def test_where_an_older_compiler_does_not_say_a_nodes_transport_it_is_the_meshs(mode: str) -> None:
    made = build.mesh(settings={"transport": mode})
    told = [_older(r) for r in resources(compile_mesh(made, surroundings(), "east").snapshot, AGENT_VIEW)]
    found = Directory.read(told)
    assert found is not None
    said = [node.permissive for node in found.nodes.values()] + [each.permissive for each in found.backends.values()]
    assert said == [mode == "permissive"] * 5


def _older(resource: Resource) -> Resource:
    said = json.loads(resource.body)
    if resource.type in (Type.NODE, Type.BACKEND):
        del said["transport"]
    return Resource.json(resource.type, resource.name, said)


def test_without_a_mesh_there_is_no_directory() -> None:
    assert Directory.read([]) is None


def test_what_is_asked_for_a_nodes_instances_is_read_as_it_was_written() -> None:
    there = {"namespaceName": "n", "serviceName": "s", "attributes": [{"key": "k", "value": "v"}]}
    discoveries = {
        "blue": build.node("blue", serviceDiscovery={"dns": {"hostname": "blue.example."}}),
        "green": build.node("green", serviceDiscovery={"awsCloudMap": there}),
    }
    snapshot = compile_mesh(build.mesh(*discoveries.values()), surroundings(), "east").snapshot
    found = Directory.read(resources(snapshot, AGENT_VIEW))
    assert found is not None
    expected = {
        "blue": Dns("blue.example", single=True, families=(6, 4)),
        "green": CloudMap("n", "s", (("k", "v"),), (6, 4)),
    }
    assert found.discovered == expected
    assert {b.node: b.discovery for b in found.backends.values()} == expected


def test_a_way_to_find_instances_that_came_later_is_none() -> None:
    assert discovered.read({"consul": {"name": "blue"}}) is None
