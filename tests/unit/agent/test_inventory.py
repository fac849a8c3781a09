"""Which of what was found is an instance of what."""

from typing import Any

import pytest

from gateway.agent.inventory import Inventory, take
from isthmus.xds.directory import Directory
from tests import build
from tests.unit.agent.given import BLUE, FRONT, GREEN, INGRESS, MESH, instance, mesh

WHOLE = mesh().directory
ELSEWHERE = mesh(build.mesh(build.placement("green", "west"))).directory
TWICE = mesh(build.mesh(build.binding("again", node="blue", file="front"))).directory
OTHER = "ffffffff-0000-0000-0000-000000000000"


def taken(found: Inventory) -> set[tuple[str, str, str, str]]:
    return {(w.instance.name, w.mesh, w.role, w.of) for w in found.workloads}


@pytest.mark.parametrize(
    ("directories", "instances", "expected", "left_out"),
    [
        (
            {MESH: WHOLE},
            [FRONT, BLUE, INGRESS],
            {
                ("front", MESH, "node", "front"),
                ("blue", MESH, "node", "blue"),
                ("ingress", MESH, "gateway", "ingress"),
            },
            {},
        ),
        ({MESH: WHOLE}, [instance("stranger")], set(), {"stranger": "no binding names it"}),
        ({}, [FRONT], set(), {"front": "no binding names it"}),
        ({MESH: ELSEWHERE}, [GREEN], set(), {"green": "node green is not placed in this cluster"}),
        (
            {MESH: WHOLE},
            [instance("ingress", {})],
            set(),
            {"ingress": "it has no port for virtual gateway ingress"},
        ),
        (
            {MESH: TWICE},
            [FRONT],
            {("front", MESH, "node", "blue")},
            {"front": "it is node blue and cannot be node front as well"},
        ),
        (
            {OTHER: ELSEWHERE, MESH: WHOLE},
            [FRONT],
            {("front", MESH, "node", "front")},
            {"front": "it is node front and cannot be node front as well"},
        ),
    ],
    ids=[
        "bound to nodes and a gateway",
        "unbound",
        "no mesh",
        "not placed here",
        "a gateway's Envoy without a port",
        "two bindings: the first by name",
        "two meshes: the first by id",
    ],
)
def test_only_what_a_binding_names_is_an_instance(
    directories: dict[str, Directory],
    instances: list[Any],
    expected: set[Any],
    left_out: dict[str, str],
) -> None:
    found = take(directories, instances)
    assert taken(found) == expected
    assert found.left_out == left_out
