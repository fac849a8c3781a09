"""Entries of definition files become the meshes that stand after applying them where nothing stood."""

from typing import Any

import pytest

from isthmus.errors import Invalid
from isthmus.model.calls import change_of
from isthmus.model.definition import Definition
from isthmus.model.files import Entry
from isthmus.model.gathered import UNNAMED, gathered
from isthmus.model.key import Key
from tests import build

BLUE = Key("VirtualNode", "blue")


def call(operation: str, spec: Any = None, *, mesh: str = "apps", tags: Any = None) -> Entry:  # noqa: ANN401 - JSON
    """A call about the virtual node `blue`, or with `Mesh` about the mesh."""
    about = {} if operation.endswith("Mesh") else {"virtualNodeName": "blue"}
    said = {} if spec is None else {"spec": spec}
    tagged = {} if tags is None else {"tags": [{"key": k, "value": v} for k, v in tags.items()]}
    return change_of({"operation": operation, "params": {"meshName": mesh} | about | said | tagged})


def only(*entries: Entry) -> Definition:
    (made,) = gathered(entries).values()
    return made


def listening(port: int) -> Any:  # noqa: ANN401 - JSON
    return {"listeners": [{"portMapping": {"port": port, "protocol": "http"}}]}


def test_the_last_call_holds_and_an_update_leaves_tags() -> None:
    made = only(
        call("CreateMesh"), call("CreateVirtualNode", listening(80), tags={"a": "b"}),
        call("UpdateVirtualNode", listening(81)),
        call("UpdateMesh", {"egressFilter": {"type": "ALLOW_ALL"}}),
    )  # fmt: skip
    assert made.spec.json_object() == {"egressFilter": {"type": "ALLOW_ALL"}}
    assert made.documents[BLUE].spec.json_object() == listening(81)
    assert made.documents[BLUE].tags == {"a": "b"}


def test_what_is_deleted_is_gone_and_may_not_have_been_there() -> None:
    assert only(call("CreateVirtualNode", {}), call("DeleteVirtualNode"), call("DeleteVirtualNode")).documents == {}
    assert gathered([call("CreateMesh"), call("DeleteMesh")]) == {}


def test_documents_belong_to_the_mesh_they_stand_beside() -> None:
    assert only(build.definition(build.node("green")), build.node("blue")).documents.keys() == {
        Key("VirtualNode", "green"), BLUE,
    }  # fmt: skip
    assert gathered([call("CreateMesh"), build.node("blue")])["apps"].documents.keys() == {BLUE}
    assert gathered([build.node("blue")]).keys() == {UNNAMED}
    assert gathered([build.node("blue")], "shop").keys() == {"shop"}


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([build.node("blue"), build.node("blue", port=1)], "duplicate"),
        ([build.definition(build.node("blue")), build.node("blue")], "duplicate"),
        ([build.definition(name="a"), build.definition(name="a")], "duplicate"),
        ([build.definition(name="a"), build.definition(name="b"), build.node("blue")], "ambiguous_mesh"),
    ],
    ids=["two documents", "in the mesh and beside it", "two meshes", "whose document"],
)
def test_what_is_said_twice_or_of_nobody_is_refused(entries: list[Entry], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        gathered(entries)
    assert [violation.code for violation in refused.value.violations] == [code]
