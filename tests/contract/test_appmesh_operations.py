"""Our table of operations against AWS's own service model: every call, member, place, shape and exception."""

from typing import Any

import pytest

from isthmus.model.operations.inputs import TagRef
from isthmus.model.operations.outputs import ResourceMetadata, reference_of
from isthmus.model.operations.table import ERRORS, OPERATIONS, Operation
from isthmus.model.operations.words import APP_MESH_KINDS
from isthmus.model.structure import Structure, members
from tests.contract.aws_model import SERVICE, SHAPES, compare


def model(operation: Operation) -> dict[str, Any]:
    """AWS's description of it."""
    described: dict[str, Any] = SERVICE["operations"][operation.name]
    return described


def test_there_are_exactly_app_meshs_operations() -> None:
    assert OPERATIONS.keys() == SERVICE["operations"].keys()
    assert len(OPERATIONS) == 38


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_an_operation_is_asked_as_app_meshs(operation: Operation) -> None:
    theirs = model(operation)
    assert theirs["http"] == {"method": operation.method, "requestUri": operation.path, "responseCode": 200}
    assert {error["shape"] for error in theirs["errors"]} == operation.errors
    asked = SHAPES[theirs["input"]["shape"]]["members"]
    places = {name: said.get("location", "body") for name, said in asked.items()}
    assert {name for name, place in places.items() if place == "querystring"} == set(operation.query)
    assert {name for name, place in places.items() if place == "uri"} == labels(operation)
    assert all(said.get("locationName", name) == name for name, said in asked.items()), "names differ on the wire"
    assert compare(theirs["input"]["shape"], operation.asked, operation.name) == []


def labels(operation: Operation) -> set[str]:
    """The members in a path."""
    return {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_an_operation_is_answered_as_app_meshs(operation: Operation) -> None:
    shape = model(operation)["output"]["shape"]
    payload = SHAPES[shape].get("payload")
    body = SHAPES[shape]["members"][payload]["shape"] if payload else shape
    assert compare(body, operation.answered, operation.name) == []


def test_exceptions_are_app_meshs() -> None:
    theirs = {name: s["error"]["httpStatusCode"] for name, s in SHAPES.items() if s.get("exception")}
    assert theirs == ERRORS


def test_every_shape_is_one_of_ours() -> None:
    """A shape that no class of ours stands for would be one that nobody checks."""
    known = {name for name, shape in SHAPES.items() if shape["type"] == "structure" and not shape.get("exception")}
    reached: set[str] = set()
    for operation in OPERATIONS.values():
        for side in ("input", "output"):
            reach(model(operation)[side]["shape"], reached)
    assert known - reached == set()


def reach(name: str, reached: set[str]) -> None:
    """A shape and all within."""
    if name in reached:
        return
    reached.add(name)
    shape = SHAPES[name]
    for inner in shape.get("members", {}).values():
        reach(inner["shape"], reached)
    if "member" in shape:
        reach(shape["member"]["shape"], reached)


LOOSENED: list[tuple[str, type[Structure], str, dict[str, Any], str]] = [
    ("CreateMeshInput", OPERATIONS["CreateMesh"].asked, "ResourceName", {"max": 254}, "maxLength"),
    ("ListRoutesInput", OPERATIONS["ListRoutes"].asked, "ListRoutesLimit", {"max": 99}, "maximum"),
    ("TagRef", TagRef, "TagValue", {"min": 1}, "minLength"),
    ("ResourceMetadata", ResourceMetadata, "AccountId", {"min": 11}, "minLength"),
]


@pytest.mark.parametrize(("name", "mine", "inner", "limits", "word"), LOOSENED, ids=[row[2] for row in LOOSENED])
def test_the_comparison_finds_a_limit_that_is_not_ours(
    name: str, mine: type[Structure], inner: str, limits: dict[str, int], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compare(name, mine, "") == []
    monkeypatch.setitem(SHAPES, inner, SHAPES[inner] | limits)
    assert any(word in line for line in compare(name, mine, ""))


@pytest.mark.parametrize("kind", APP_MESH_KINDS)
def test_a_reference_is_what_a_list_holds(kind: str) -> None:
    """`reference_of` takes its members from ResourceMetadata by rule; here the rule is shown to hold."""
    assert {alias for _, alias in members(reference_of(kind))} == set(SHAPES[f"{kind}Ref"]["members"])
