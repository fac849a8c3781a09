"""What comes from outside: parsed exactly, refused with every violation at once, each with its pointer and code."""

from typing import Any

import pytest

from isthmus.errors import Invalid
from isthmus.model.document import Key, parse_document, parse_spec

Json = Any
FILE = "/spec/logging/accessLog/file"
TARGETS = "/spec/tcpRoute/action/weightedTargets"
LISTENER = {"portMapping": {"port": 8080, "protocol": "http"}}


def refused(kind: str, spec: Json) -> set[tuple[str, str]]:
    """(pointer, code) of every violation."""
    with pytest.raises(Invalid) as caught:
        parse_spec(kind, spec)
    return {(v.pointer, v.code) for v in caught.value.violations}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Mesh", {}),
        ("VirtualNode", {}),
        ("VirtualNode", {"listeners": [], "backends": [], "backendDefaults": {}, "logging": {}}),
        ("VirtualNode", {"backendDefaults": {"clientPolicy": {}}}),
        ("VirtualNode", {"listeners": [LISTENER | {"timeout": {"http": {"idle": {}, "perRequest": {"value": 0}}}}]}),
        ("VirtualNode", {"logging": {"accessLog": {"file": {"path": "/dev/stdout", "format": {"json": []}}}}}),
        ("VirtualService", {}),
        ("Route", {"grpcRoute": {"action": {"weightedTargets": [{"virtualNode": "b", "weight": 0}]}, "match": {}}}),
        ("VirtualGateway", {"listeners": []}),
        ("Attachment", {}),
        ("Binding", {"node": "n", "match": {"k8s": {"namespace": "a", "service_account": "b", "labels": {"x": ""}}}}),
    ],
)
def test_what_was_sent_comes_back_and_nothing_else(kind: str, spec: Json) -> None:
    assert parse_spec(kind, spec).json_object() == spec


def test_order_is_kept() -> None:
    ports = [{"portMapping": {"port": port, "protocol": "http"}} for port in (3, 1, 2)]
    assert parse_spec("VirtualNode", {"listeners": ports}).json_object()["listeners"] == ports


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"port": True, "protocol": "http"}, "/port", "wrong_type"),
        ({"port": "1", "protocol": "http"}, "/port", "wrong_type"),
        ({"port": 1.0, "protocol": "http"}, "/port", "wrong_type"),
        ({"port": None, "protocol": "http"}, "/port", "wrong_type"),
        ({"port": 0, "protocol": "http"}, "/port", "out_of_range"),
        ({"port": 65536, "protocol": "http"}, "/port", "out_of_range"),
        ({"port": 10**30, "protocol": "http"}, "/port", "out_of_range"),
        ({"port": 1, "protocol": "HTTP"}, "/protocol", "not_one_of"),
        ({"port": 1, "protocol": 1}, "/protocol", "not_one_of"),
        ({"port": 1}, "/protocol", "missing"),
        ({"port": 1, "protocol": "http", "x/y~": 1}, "/x~1y~0", "unknown_field"),
        ({"port": 1, "protocol": "http", "port_mapping": 1}, "/port_mapping", "unknown_field"),
        ([], "", "wrong_type"),
        ("text", "", "wrong_type"),
        (None, "", "wrong_type"),
    ],
)
def test_a_port_mapping_is_refused_for(wrong: Json, pointer: str, code: str) -> None:
    at = f"/spec/listeners/0/portMapping{pointer}"
    assert refused("VirtualRouter", {"listeners": [{"portMapping": wrong}]}) == {(at, code)}


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("VirtualRouter", {"listeners": {}}, {("/spec/listeners", "wrong_type")}),
        ("VirtualRouter", {"listeners": None}, {("/spec/listeners", "wrong_type")}),
        ("VirtualNode", {"logging": {"accessLog": {"file": {"path": ""}}}}, {(f"{FILE}/path", "too_short")}),
        ("VirtualNode", {"logging": {"accessLog": {"file": {"path": "x" * 256}}}}, {(f"{FILE}/path", "too_long")}),
        ("VirtualNode", {"logging": {"accessLog": {"file": {"path": "a\0"}}}}, {(f"{FILE}/path", "nul_character")}),
        ("VirtualNode", {"logging": {"accessLog": {"file": {"path": "\ud800"}}}}, {(f"{FILE}/path", "wrong_type")}),
        ("Placement", {"clusters": []}, {("/spec/clusters", "too_short")}),
        (
            "Route",
            {"tcpRoute": {"action": {"weightedTargets": [{"virtualNode": "a", "weight": 1}] * 10 + [{}]}}},
            {(TARGETS, "too_long"), (f"{TARGETS}/10/virtualNode", "missing"), (f"{TARGETS}/10/weight", "missing")},
        ),
        ("Placement", {"clusters": ["East"]}, {("/spec/clusters/0", "pattern_mismatch")}),
        ("Transport", {}, {("/spec/mode", "missing")}),
        ("Transport", {"mode": "STRICT"}, {("/spec/mode", "not_one_of")}),
        ("Attachment", {"node": 1}, {("/spec/node", "unknown_field")}),
    ],
)
def test_refused(kind: str, spec: Json, expected: set[tuple[str, str]]) -> None:
    assert refused(kind, spec) == expected


def test_every_violation_of_a_request_is_told_at_once_unions_among_them() -> None:
    spec = {
        "listeners": [
            {
                "portMapping": {"port": 0, "protocol": "x"},
                "timeout": {"http": {"idle": {"value": -1}}, "tcp": {}, "udp": {}},
                "connectionPool": {},
            }
        ],
        "serviceDiscovery": {"dns": {"hostname": 1}, "awsCloudMap": {"namespaceName": ""}},
        "backends": [{}, {"virtualService": {}}],
        "zone": 1,
    }
    at = "/spec/listeners/0"
    assert refused("VirtualNode", spec) == {
        (f"{at}/portMapping/port", "out_of_range"),
        (f"{at}/portMapping/protocol", "not_one_of"),
        (f"{at}/timeout", "exactly_one_member"),
        (f"{at}/timeout/http/idle/value", "out_of_range"),
        (f"{at}/timeout/udp", "unknown_field"),
        (f"{at}/connectionPool", "exactly_one_member"),
        ("/spec/serviceDiscovery", "exactly_one_member"),
        ("/spec/serviceDiscovery/dns/hostname", "wrong_type"),
        ("/spec/serviceDiscovery/awsCloudMap/namespaceName", "too_short"),
        ("/spec/serviceDiscovery/awsCloudMap/serviceName", "missing"),
        ("/spec/backends/0", "exactly_one_member"),
        ("/spec/backends/1/virtualService/virtualServiceName", "missing"),
        ("/spec/zone", "unknown_field"),
    }


def test_the_envelope_and_the_spec_are_told_together() -> None:
    raw = {"kind": "Route", "name": "", "spec": {"httpRoute": {}}, "tags": {"": "x" * 257}, "color": "red"}
    with pytest.raises(Invalid) as caught:
        parse_document(raw, pointer="/resources/3")
    assert {(v.pointer, v.code) for v in caught.value.violations} == {
        ("/resources/3/name", "too_short"),
        ("/resources/3/parent", "missing"),
        ("/resources/3/color", "unknown_field"),
        ("/resources/3/tags//[key]", "too_short"),
        ("/resources/3/tags/", "too_long"),
        ("/resources/3/spec/httpRoute/action", "missing"),
        ("/resources/3/spec/httpRoute/match", "missing"),
    }


@pytest.mark.parametrize(
    ("raw", "pointer", "code"),
    [
        ([], "", "wrong_type"),
        ({}, "/kind", "missing"),
        ({"kind": "Pod", "name": "a", "spec": {}}, "/kind", "not_one_of"),
        ({"kind": ["Mesh"], "name": "a", "spec": {}}, "/kind", "wrong_type"),
        ({"kind": "VirtualNode", "name": "a"}, "/spec", "missing"),
        ({"kind": "VirtualNode", "name": "a", "spec": None}, "/spec", "wrong_type"),
        ({"kind": "VirtualNode", "name": "a", "spec": {}, "parent": "b"}, "/parent", "unknown_field"),
        ({"kind": "VirtualNode", "name": "a\0", "spec": {}}, "/name", "nul_character"),
        ({"kind": "VirtualNode", "name": "a", "spec": {}, "tags": {"a": None}}, "/tags/a", "wrong_type"),
        (
            {"kind": "VirtualNode", "name": "a", "spec": {}, "tags": {str(i): "" for i in range(51)}},
            "/tags",
            "too_long",
        ),
    ],
)
def test_a_document_is_refused_for(raw: Json, pointer: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_document(raw)
    assert (pointer, code) in {(v.pointer, v.code) for v in caught.value.violations}


def test_what_was_read_can_be_sent_back() -> None:
    raw = {"kind": "Route", "name": "r", "parent": "vr", "spec": {}, "tags": {"team": "a"}, "meta": {"revision": 3}}
    raw["spec"] = {"tcpRoute": {"action": {"weightedTargets": [{"virtualNode": "b", "weight": 1}]}}}
    document = parse_document(raw)
    assert document.key == Key("Route", "r", "vr")
    assert document.json() == {k: v for k, v in raw.items() if k != "meta"}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (Key("VirtualNode", "a/b%"), "a/b%"),
        (Key("Route", "r", "vr"), "vr/r"),
        (Key("Route", "b/c", "a"), "a/b/c"),
        (Key("GatewayRoute", "c", "a/b"), "a%2Fb/c"),
        (Key("GatewayRoute", "c", "a%2Fb"), "a%252Fb/c"),
    ],
)
def test_a_key_and_its_text_are_one_to_one(key: Key, text: str) -> None:
    assert key.text == text
    assert Key.of(key.kind, text) == key
