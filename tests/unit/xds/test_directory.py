"""The agent's view: what is written is what is read."""

from isthmus.values import service_id
from isthmus.xds.compile import compile_mesh
from isthmus.xds.directory import Backend, Binding, Directory, NodeFacts
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Type
from tests import build
from tests.golden.cases import MESH_ID, resources, surroundings


def test_the_directory_reads_what_was_written() -> None:
    snapshot = compile_mesh(build.mesh(build.placement("green", "west")), surroundings(), "east").snapshot
    unknown = Resource.json(Type.ROUTES, "of a later version", {})
    found = Directory.read([*resources(snapshot, AGENT_VIEW), unknown])
    assert found is not None
    assert found.facts.domains == {c: f"{c}-1.acme.isthmus.internal" for c in ("east", "west")}
    assert found.facts.permissive
    assert set(found.nodes) == {"front", "blue"}
    assert found.nodes["blue"] == NodeFacts(service_id(MESH_ID, "blue"), ((8080, "http"),), exported=True)
    assert found.gateways == {"ingress": (9080,)}
    assert found.peers == {"west": ("eu-west-1", "west")}
    assert found.backends == {
        f"node/{node}/8080": Backend(node, 8080, service_id(MESH_ID, node), "http") for node in ("blue", "green")
    }
    assert Binding("blue", "blue", None, {"file": "blue"}) in found.bindings
    assert Binding("ingress", None, "ingress", {"file": "ingress"}) in found.bindings


def test_without_a_mesh_there_is_no_directory() -> None:
    assert Directory.read([]) is None
