"""A whole mesh in one document."""

from typing import Any

import pytest

from isthmus.errors import Invalid
from isthmus.model.definition import parse_definition
from isthmus.model.kinds import KINDS
from isthmus.model.structure import Structure
from tests import build

Json = Any


def refused(raw: Json, name: str | None = None) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        parse_definition(raw, name=name)
    return {(v.pointer, v.code) for v in caught.value.violations}


def test_a_definition_that_was_read_can_be_sent_back() -> None:
    made = build.mesh(spec={"egressFilter": {"type": "ALLOW_ALL"}}, settings={"transport": "strict"})
    again = parse_definition(made.json() | {"meta": {"revision": 3}})
    assert again == made
    assert list(again.documents) == list(made.documents)


def test_all_but_the_spec_may_be_left_out() -> None:
    assert parse_definition({"spec": {}}, name="m").json() == {
        "kind": "Mesh",
        "name": "m",
        "spec": {},
        "settings": {},
        "tags": {},
        "resources": [],
    }
    assert refused({}, name="m") == {("/spec", "missing")}


def test_every_violation_of_every_resource_is_told_at_once() -> None:
    raw = build.definition(build.node("blue"), build.node("green")).json()
    raw["resources"][0]["spec"]["listeners"][0]["portMapping"]["port"] = 0
    raw["resources"] += [raw["resources"][1], {"kind": "Mesh", "name": "m", "spec": {}}, "x"]
    raw |= {"settings": {"transport": "none"}, "tags": [], "color": 1}
    assert refused(raw, name="other") == {
        ("/resources/0/spec/listeners/0/portMapping/port", "out_of_range"),
        ("/resources/2", "duplicate"),
        ("/resources/3/kind", "not_one_of"),
        ("/resources/4", "wrong_type"),
        ("/settings/transport", "not_one_of"),
        ("/tags", "wrong_type"),
        ("/color", "unknown_field"),
        ("/name", "not_this_url"),
    }


@pytest.mark.parametrize("raw", [None, [], "x", {"kind": "VirtualNode", "name": "n", "spec": {}}], ids=str)
def test_what_is_no_mesh_is_refused(raw: Json) -> None:
    assert refused(raw) & {("", "wrong_type"), ("/kind", "not_one_of")}


def test_kinds_are_found_and_their_urls_differ() -> None:
    assert set(KINDS) == {
        "Mesh", "VirtualNode", "VirtualService", "VirtualRouter", "Route", "VirtualGateway", "GatewayRoute",
        "Attachment", "Placement", "Binding", "Transport", "ListenerCertificates",
    }  # fmt: skip
    assert len({kind.segment for kind in KINDS.values()}) == len(KINDS)
    assert [(k.name, k.parent, k.parent_segment) for k in KINDS.values() if k.parent] == [
        ("GatewayRoute", "VirtualGateway", "virtual-gateways"),
        ("Route", "VirtualRouter", "virtual-routers"),
    ]


def test_one_name_of_a_structure_in_the_schemas_is_one_structure() -> None:
    """OpenAPI lists them by name."""
    todo: list[type[Structure]] = [Structure]
    seen: dict[str, type[Structure]] = {}
    while todo:
        for shape in todo.pop().__subclasses__():
            assert shape.__name__.startswith("_") or seen.setdefault(shape.__name__, shape) is shape
            todo.append(shape)
