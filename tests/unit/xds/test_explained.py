"""explained: a gateway's names, told as the tenant called what they stand for."""

from uuid import UUID

import pytest

from isthmus.values import ANY, mesh_label, service_id, slot_id
from isthmus.wire import Sni
from isthmus.xds.directory import Backend, Directory, Facts, NodeFacts
from isthmus.xds.explained import Asked, explained

MESH, EAST = UUID(int=7), UUID(int=1)
LABEL = mesh_label(MESH)
FACTS = Facts(MESH, "shop", LABEL, "mesh.example", permissive=False)
NODES = {
    name: NodeFacts(service_id(MESH, name), ((8080, "http"), (9000, "tcp")), exported=True, permissive=False)
    for name in ("Foo", "foo")
}
CALLED = {"node/db/7000": Backend("db", 7000, service_id(MESH, "db"), "tcp", permissive=False)}
DIRECTORY = Directory(FACTS, NODES, backends=CALLED)


def name(slot: str, port: int, node: str, label: str = LABEL) -> str:
    return Sni(slot, port, service_id(MESH, node), label).text("mesh.example")


def test_an_instance_is_told_by_name_in_whatever_case_it_is_asked_for() -> None:
    slot = slot_id(EAST, MESH, "Foo", "foo-1")
    expected = Asked("shop", "Foo", 8080, "http", slot, "foo-1")
    for text in (name(slot, 8080, "Foo"), name(slot, 8080, "Foo").upper()):
        assert explained(text, DIRECTORY, EAST, ["foo-1", "foo-2"]) == expected


def test_names_that_differ_in_case_only_are_told_apart() -> None:
    assert explained(name(ANY, 9000, "foo"), DIRECTORY, EAST) == Asked("shop", "foo", 9000, "tcp", ANY)
    assert explained(name(ANY, 9000, "Foo"), DIRECTORY, EAST) == Asked("shop", "Foo", 9000, "tcp", ANY)


def test_another_clusters_slot_is_not_taken_for_one_of_ours() -> None:
    slot = slot_id(UUID(int=2), MESH, "Foo", "foo-1")
    assert explained(name(slot, 8080, "Foo"), DIRECTORY, EAST, ["foo-1"]).instance == ""


def test_a_node_that_is_only_called_from_here_is_known_too() -> None:
    assert explained(name(ANY, 7000, "db"), DIRECTORY, EAST) == Asked("shop", "db", 7000, "tcp", ANY)


def test_what_the_mesh_does_not_have_stays_empty() -> None:
    assert explained(name(ANY, 1, "Foo"), DIRECTORY, EAST) == Asked("shop", "Foo", 1, "", ANY)
    assert explained(name(ANY, 1, "gone"), DIRECTORY, EAST, ["a"]) == Asked("shop", "", 1, "", ANY)


@pytest.mark.parametrize(
    "text", ["xds", name(ANY, 80, "Foo", mesh_label(UUID(int=8))), name(ANY, 80, "Foo").replace("example", "other")]
)
def test_what_the_mesh_never_says_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no SNI of a mesh|another mesh"):
        explained(text, DIRECTORY, EAST)
