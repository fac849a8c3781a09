"""App Mesh API calls become changes of documents."""

from typing import Any

import pytest

from isthmus.errors import Invalid
from isthmus.model.calls import change_of
from isthmus.model.document import Key

Json = Any


def call(operation: str, **params: Json) -> Json:
    return {"operation": operation, "params": {"meshName": "m"} | params}


def refused(raw: Json) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        change_of(raw, pointer="/7")
    return {(v.pointer, v.code) for v in caught.value.violations}


ROUTE = {"httpRoute": {"action": {"weightedTargets": [{"virtualNode": "n", "weight": 1}]}, "match": {}}}


@pytest.mark.parametrize(
    ("raw", "verb", "op", "key"),
    [
        (call("CreateMesh"), "create", "put", Key("Mesh", "m")),
        (call("UpdateMesh", spec={"egressFilter": {"type": "ALLOW_ALL"}}), "update", "put", Key("Mesh", "m")),
        (call("DeleteMesh"), "delete", "delete", Key("Mesh", "m")),
        (call("CreateVirtualNode", virtualNodeName="n", spec={}), "create", "put", Key("VirtualNode", "n")),
        (
            call("UpdateRoute", virtualRouterName="vr", routeName="r", spec=ROUTE, clientToken="t"),
            "update",
            "put",
            Key("Route", "r", "vr"),
        ),
        (
            call("DeleteGatewayRoute", virtualGatewayName="vg", gatewayRouteName="r", meshOwner="1" * 12),
            "delete",
            "delete",
            Key("GatewayRoute", "r", "vg"),
        ),
    ],
    ids=lambda value: value["operation"] if isinstance(value, dict) else None,
)
def test_a_call_is_a_change(raw: Json, verb: str, op: str, key: Key) -> None:
    change = change_of(raw)
    assert (change.mesh, change.verb, change.op, change.key) == ("m", verb, op, key)
    if op == "put":
        assert change.document is not None
        assert change.document.spec.json_object() == raw["params"].get("spec", {})


def test_tags_are_kept() -> None:
    change = change_of(call("CreateMesh", tags=[{"key": "a", "value": "b"}, {"key": "c", "value": ""}]))
    assert change.document is not None
    assert change.document.tags == {"a": "b", "c": ""}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([], {("/7", "wrong_type")}),
        ({"operation": "CreateMesh"}, {("/7/params", "missing")}),
        (call("DescribeMesh"), {("/7/operation", "not_one_of")}),
        (call("CreateAttachment"), {("/7/operation", "not_one_of")}),
        (
            {"operation": "CreateRoute", "params": {"routeName": "", "virtualRouterName": 1, "x": 1}},
            {
                ("/7/params/meshName", "missing"),
                ("/7/params/routeName", "too_short"),
                ("/7/params/virtualRouterName", "wrong_type"),
                ("/7/params/spec", "missing"),
                ("/7/params/x", "unknown_field"),
            },
        ),
        (call("DeleteMesh", spec={}), {("/7/params/spec", "unknown_field")}),
        (call("CreateVirtualService", virtualServiceName="", spec={}), {("/7/params/virtualServiceName", "too_short")}),
        (
            call("CreateVirtualService", virtualServiceName=256 * "s", spec={}),
            {("/7/params/virtualServiceName", "too_long")},
        ),
        (call("CreateVirtualNode", virtualNodeName="..", spec={}), {("/7/params/virtualNodeName", "dot_segment")}),
        (call("UpdateMesh", tags=[]), {("/7/params/tags", "unknown_field")}),
        (
            call("CreateMesh", spec={"egressFilter": {}}, tags=[{"key": "a", "value": 1}]),
            {("/7/params/spec/egressFilter/type", "missing"), ("/7/params/tags/0/value", "wrong_type")},
        ),
        (
            call("CreateMesh", tags=[{"key": "a", "value": ""}, {"key": "a", "value": ""}]),
            {("/7/params/tags/1/key", "duplicate")},
        ),
    ],
)
def test_a_call_is_refused_for(raw: Json, expected: set[tuple[str, str]]) -> None:
    assert refused(raw) == expected
