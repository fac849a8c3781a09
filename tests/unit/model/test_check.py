"""What documents may not say of each other, what a change and a delete are checked against."""

import pytest

from isthmus.model.check import check, check_document, findings, references, referrers
from isthmus.model.document import Document, Key
from tests import build
from tests.ids import steady

AT = "/spec/httpRoute"


def wrong(document: Document, *others: Document) -> set[tuple[str, str]]:
    """(pointer, code) of all that is wrong with a document among others."""
    around = {other.key: other for other in (document, *others)}
    return {(v.pointer, v.code) for v in check_document(document, around.get)}


def test_the_mesh_that_tests_build_is_right() -> None:
    assert check(build.mesh()) == ()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (build.service(node="n"), {("/spec/provider/virtualNode/virtualNodeName", Key("VirtualNode", "n"))}),
        (build.service(router="r"), {("/spec/provider/virtualRouter/virtualRouterName", Key("VirtualRouter", "r"))}),
        (
            build.route(targets={"a": 1, "b": 2}),
            {
                ("/parent", Key("VirtualRouter", "router")),
                (f"{AT}/action/weightedTargets/0/virtualNode", Key("VirtualNode", "a")),
                (f"{AT}/action/weightedTargets/1/virtualNode", Key("VirtualNode", "b")),
            },
        ),
        (
            build.gateway_route(service="s"),
            {
                ("/parent", Key("VirtualGateway", "ingress")),
                (f"{AT}/action/target/virtualService/virtualServiceName", Key("VirtualService", "s")),
            },
        ),
        (build.node(backends=["not yet there"]), set()),
        (
            build.placement("n", "east"),
            {("/name", Key("VirtualNode", "n")), ("/spec/clusters/0", Key("Attachment", "east"))},
        ),
        (build.binding("b", node="n"), {("/spec/node", Key("VirtualNode", "n"))}),
        (build.binding("b", gateway="g"), {("/spec/gateway", Key("VirtualGateway", "g"))}),
        (build.attachment(), set()),
    ],
)
def test_references_must_exist(document: Document, expected: set[tuple[str, Key]]) -> None:
    assert set(references(document)) == expected
    assert wrong(document) == {(pointer, "dangling_reference") for pointer, _ in expected}


@pytest.mark.parametrize(
    ("route", "router", "expected"),
    [
        (build.route(), build.router(), set()),
        (build.route(), build.document("VirtualRouter", "router", {}), set()),
        (build.route(protocol="http2"), build.router(), {("/spec/http2Route", "protocol_mismatch")}),
        (build.route(match={"port": 9}), build.router(port=9), set()),
        (build.route(match={"port": 9}), build.router(port=8), {(f"{AT}/match/port", "unknown_port")}),
        (build.route(), build.router(ports={8: "http", 9: "http"}), {(f"{AT}/match/port", "missing")}),
        (build.route(match={"port": 9}), build.router(ports={8: "http", 9: "http"}), set()),
        (build.route(match={"port": 9}), build.router(ports={8: "http", 9: "grpc"}), {(AT, "protocol_mismatch")}),
        (
            build.route(protocol="tcp"),
            build.router(ports={8: "tcp", 9: "tcp"}),
            {("/spec/tcpRoute/match/port", "missing")},
        ),
    ],
)
def test_a_route_and_its_routers_listeners(route: Document, router: Document, expected: set[tuple[str, str]]) -> None:
    assert wrong(route, router, build.node("blue")) == expected


def test_a_tcp_route_needs_no_match() -> None:
    spec = {"tcpRoute": {"action": {"weightedTargets": [{"virtualNode": "blue", "weight": 1}]}}}
    route = build.document("Route", "r", spec, parent="router")
    assert wrong(route, build.router(protocol="tcp"), build.node("blue")) == set()


@pytest.mark.parametrize(
    ("port", "ports", "expected"),
    [
        (None, {1: "http"}, set()),
        (None, {}, set()),
        (1, {1: "http", 2: "tcp"}, set()),
        (3, {1: "http", 2: "tcp"}, {("/port", "unknown_port")}),
        (1, {}, {("/port", "unknown_port")}),
        (None, {1: "http", 2: "tcp"}, {("/port", "missing")}),
    ],
    ids=steady,
)
def test_a_target_and_its_listeners(port: int | None, ports: dict[int, str], expected: set[tuple[str, str]]) -> None:
    node = build.node("blue", ports=ports)
    target = {"virtualNode": "blue", "weight": 1} | ({"port": port} if port else {})
    found = wrong(build.route(targets=[target]), build.router(), node)
    assert found == {(f"{AT}/action/weightedTargets/0{pointer}", code) for pointer, code in expected}

    service = build.service(node="blue")
    found = wrong(build.gateway_route(target_port=port), build.gateway(), service, node)
    assert found == {(f"{AT}/action/target{pointer}", code) for pointer, code in expected}


def test_a_gateway_route_and_its_gateways_listeners() -> None:
    route = build.gateway_route(protocol="http2")
    assert wrong(route, build.gateway(), build.service()) == {("/spec/http2Route", "protocol_mismatch")}
    two = build.gateway(ports={1: "http", 2: "http"})
    assert wrong(build.gateway_route(), two, build.service()) == {(f"{AT}/match/port", "missing")}


def test_a_workload_is_one_thing() -> None:
    made = build.mesh(build.binding("again", node="green", file="blue"))
    at = f"/resources/{len(made.documents) - 1}/spec/match"
    assert [(v.pointer, v.code) for v in check(made)] == [(at, "duplicate")]


def test_a_binding_is_of_a_node_or_of_a_gateway() -> None:
    for who in ({}, {"node": "n", "gateway": "g"}):
        binding = build.document("Binding", "b", who | {"match": {"iam": {"role": "r"}}})
        assert ("/spec", "exactly_one_member") in wrong(binding)


def test_pointers_of_a_whole_definition_begin_with_the_document() -> None:
    made = build.definition(build.node("blue"), build.service(node="green"))
    assert [(v.pointer, v.code) for v in check(made)] == [
        ("/resources/1/spec/provider/virtualNode/virtualNodeName", "dangling_reference")
    ]


def test_a_change_is_checked_with_all_that_stands_on_it() -> None:
    """The gateway route's target port is an affair of the router's listeners, two references away."""
    made = build.mesh(build.router(ports={8080: "http", 8081: "http"}))
    changed = {Key("VirtualRouter", "router")}
    found = {(str(key), violation.pointer) for key, violation in findings(made, changed)}
    assert found == {
        ("Route router/all", f"{AT}/match/port"),
        ("GatewayRoute ingress/all", f"{AT}/action/target/port"),
    }
    assert list(findings(made, {Key("VirtualNode", "front")})) == []


@pytest.mark.parametrize(
    ("key", "blockers"),
    [
        (Key("VirtualNode", "blue"), ["Route router/all"]),
        (Key("VirtualNode", "front"), []),
        (Key("VirtualRouter", "router"), ["Route router/all", "VirtualService colors.local"]),
        (Key("VirtualService", "colors.local"), ["GatewayRoute ingress/all"]),
        (Key("VirtualGateway", "ingress"), ["GatewayRoute ingress/all"]),
        (Key("Route", "all", "router"), []),
        (Key("Attachment", "east"), []),
    ],
    ids=steady,
)
def test_a_delete_is_blocked_by(key: Key, blockers: list[str]) -> None:
    """App Mesh's rules (appmesh.md §3.6): backends do not block, nor do placements and bindings."""
    documents = build.mesh(build.placement("blue", "east")).documents.values()
    assert [str(k) for k in referrers(key, documents)] == blockers


def test_a_mesh_is_blocked_by_what_is_in_it_but_not_by_where_it_runs() -> None:
    left = build.definition(build.attachment(), build.binding("blue"))
    assert referrers(Key("Mesh", "shop"), left.documents.values()) == ()
    assert referrers(Key("Mesh", "shop"), [build.node("blue")]) == (Key("VirtualNode", "blue"),)


def test_a_binding_outlives_its_node_but_cannot_be_written_without_it() -> None:
    left = build.definition(build.binding("blue"), build.placement("blue", "east"), build.transport("blue"))
    assert list(findings(left, {Key("VirtualNode", "blue"), Key("Attachment", "east")})) == []
    found = [(key.kind, v.pointer) for key, v in findings(left, set(left.documents))]
    lost = [
        ("Binding", "/spec/node"),
        ("Placement", "/name"),
        ("Placement", "/spec/clusters/0"),
        ("Transport", "/name"),
    ]
    assert found == lost
