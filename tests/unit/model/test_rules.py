"""What one document may not say, each rule with its pointer and code; and what it may, because App Mesh allowed it."""

from typing import Any

import pytest

from isthmus.model.check import check_document
from isthmus.model.document import Document
from tests import build
from tests.ids import steady

Json = Any
AT = "/spec/httpRoute"
GRPC = "/spec/grpcRoute"


def wrong(document: Document, *others: Document) -> set[tuple[str, str]]:
    """(pointer, code) of all that is wrong with a document among others."""
    around = {other.key: other for other in (document, *others)}
    return {(v.pointer, v.code) for v in check_document(document, around.get)}


def route_matching(match: Json, protocol: str = "http") -> Document:
    return build.route(protocol=protocol, match=match)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, set()),
        ({"prefix": "/a"}, set()),
        ({"path": {"regex": "/a[0-9]+"}}, set()),
        ({"path": {}}, set()),
        ({"prefix": "a"}, {("/prefix", "not_a_path")}),
        ({"prefix": "/a", "path": {"exact": "/b"}}, {("/prefix", "mutually_exclusive")}),
        ({"path": {"exact": "/a", "regex": "/b"}}, {("/path", "exactly_one_member")}),
        ({"path": {"regex": "a["}}, {("/path/regex", "invalid_regex")}),
        ({"path": {"regex": "(?=a)b"}}, {("/path/regex", "invalid_regex")}),
        ({"path": {"regex": "(abc){1000}"}}, {("/path/regex", "invalid_regex")}),
        ({"headers": [{"name": "a b"}]}, {("/headers/0/name", "not_a_header_name")}),
        ({"headers": [{"name": ":authority"}]}, set()),
        ({"headers": [{"name": "a", "match": {"regex": "*"}}]}, {("/headers/0/match/regex", "invalid_regex")}),
        (
            {"headers": [{"name": "a", "match": {"range": {"start": 5, "end": 5}}}]},
            {("/headers/0/match/range/end", "empty_range")},
        ),
        ({"headers": [{"name": "a", "match": {"range": {"start": -5, "end": -4}}}]}, set()),
        ({"queryParameters": [{"name": "", "match": {"exact": ""}}]}, {("/queryParameters/0/name", "too_short")}),
        ({"queryParameters": [{"name": "é" * 512}]}, set()),
        ({"queryParameters": [{"name": "é" * 513}]}, {("/queryParameters/0/name", "too_long")}),
    ],
    ids=steady,
)
def test_a_match(match: Json, expected: set[tuple[str, str]]) -> None:
    found = wrong(route_matching(match), build.router(), build.node("blue"))
    assert found == {(f"{AT}/match{pointer}", code) for pointer, code in expected}


def test_a_regex_is_refused_in_re2s_words() -> None:
    found = check_document(route_matching({"path": {"regex": "a["}}), lambda _: None)
    assert any("missing ]: [" in violation.detail for violation in found)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, set()),
        ({"serviceName": "a.B", "methodName": "C"}, set()),
        ({"methodName": "C"}, {(f"{GRPC}/match/serviceName", "missing")}),
        ({"serviceName": ""}, {(f"{GRPC}/match/serviceName", "too_short")}),
    ],
    ids=steady,
)
def test_a_grpc_match(match: Json, expected: set[tuple[str, str]]) -> None:
    assert wrong(route_matching(match, "grpc"), build.router(protocol="grpc"), build.node("blue")) == expected


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ({"timeout": {"perRequest": {"value": 1, "unit": "s"}}}, set()),
        ({"timeout": {"perRequest": {}}}, set()),
        ({"timeout": {"perRequest": {"value": 1}}}, {("/timeout/perRequest/unit", "missing")}),
        ({"timeout": {"perRequest": {"unit": "s"}}}, {("/timeout/perRequest/value", "missing")}),
        ({"timeout": {"idle": {"value": 2**62, "unit": "ms"}}}, {("/timeout/idle/value", "out_of_range")}),
        ({"retryPolicy": {"maxRetries": 1, "perRetryTimeout": {}}}, {("/retryPolicy", "missing")}),
        (
            {"retryPolicy": {"maxRetries": 1, "perRetryTimeout": {}, "httpRetryEvents": ["server-error", "x"]}},
            {("/retryPolicy/httpRetryEvents/1", "not_one_of")},
        ),
    ],
    ids=steady,
)
def test_timeouts_and_retries(added: Json, expected: set[tuple[str, str]]) -> None:
    found = wrong(build.route(**added), build.router(), build.node("blue"))
    assert found == {(AT + pointer, code) for pointer, code in expected}


def test_a_route_is_of_exactly_one_type() -> None:
    tcp = build.route(protocol="tcp").spec.json_object()
    both = build.document("Route", "r", tcp | build.route().spec.json_object(), parent="router")
    neither = build.document("Route", "r", {"priority": 1}, parent="router")
    assert ("/spec", "exactly_one_member") in wrong(both)
    assert ("/spec", "exactly_one_member") in wrong(neither)
    assert ("/spec", "exactly_one_member") in wrong(build.document("GatewayRoute", "r", {}, parent="g"))


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"blue": 1, "green": 1}, set()),
        ({"blue": 0, "green": 0}, set()),
        ({"blue": 100, "green": 1}, {(f"{AT}/action/weightedTargets", "out_of_range")}),
    ],
    ids=steady,
)
def test_weights_add_up_to_at_most_100_and_may_all_be_0(shares: Json, expected: set[tuple[str, str]]) -> None:
    assert wrong(build.route(targets=shares), build.router(), build.node("blue"), build.node("green")) == expected


CHECKED = {"healthyThreshold": 2, "unhealthyThreshold": 2, "intervalMillis": 5000, "timeoutMillis": 2000}
HTTP_CHECK = CHECKED | {"protocol": "http"}
HEALTH = "/listeners/0/healthCheck"
SPACE = {"dns": {"hostname": "a b"}}
DNS = {"dns": {"hostname": "blue.local"}}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (build.node(port=None), set()),
        (build.node(), set()),
        (build.node(serviceDiscovery=DNS), set()),
        (build.node(port=None, serviceDiscovery=DNS), {("/serviceDiscovery", "needs_listener")}),
        (build.node(serviceDiscovery=SPACE), {("/serviceDiscovery/dns/hostname", "not_a_hostname")}),
        (build.node(backends=["a", "b"]), set()),
        (build.node(backends=["a", "b", "a"]), {("/backends/2/virtualService", "duplicate")}),
        (build.node(listener={"healthCheck": HTTP_CHECK | {"port": 8080, "path": "/ping"}}), set()),
        (build.node(listener={"healthCheck": HTTP_CHECK | {"port": 1}}), {(f"{HEALTH}/port", "port_mismatch")}),
        (build.node(listener={"healthCheck": HTTP_CHECK | {"path": "x"}}), {(f"{HEALTH}/path", "not_a_path")}),
        (build.node(listener={"healthCheck": CHECKED | {"path": "", "protocol": "tcp"}}), set()),
        (build.node(listener={"timeout": {"http": {}}}), set()),
        (build.node(listener={"timeout": {"tcp": {}}}), {("/listeners/0/timeout/tcp", "protocol_mismatch")}),
        (
            build.node(protocol="grpc", listener={"connectionPool": {"http2": {"maxRequests": 1}}}),
            {("/listeners/0/connectionPool/http2", "protocol_mismatch")},
        ),
        (
            build.document("VirtualNode", "n", {"listeners": [{"portMapping": {"port": 1, "protocol": "tcp"}}] * 2}),
            {("/listeners/1/portMapping/port", "duplicate")},
        ),
    ],
)
def test_a_node(node: Document, expected: set[tuple[str, str]]) -> None:
    assert wrong(node) == {(f"/spec{pointer}", code) for pointer, code in expected}


def test_a_router_without_listeners() -> None:
    assert wrong(build.document("VirtualRouter", "r", {})) == set()
    assert wrong(build.document("VirtualRouter", "r", {"listeners": []})) == {("/spec/listeners", "too_short")}


@pytest.mark.parametrize(
    ("match", "rewrite", "expected"),
    [
        ({"prefix": "/"}, {"prefix": {"defaultPrefix": "DISABLED"}, "hostname": {}}, set()),
        ({}, {"prefix": {"value": "/a/"}}, set()),
        ({"path": {"exact": "/a"}}, {"path": {"exact": "/b"}}, set()),
        ({"prefix": "/aws-appmesh-x"}, None, {("/match/prefix", "reserved")}),
        ({"path": {"exact": "/aws-app-mesh"}}, None, {("/match/path/exact", "reserved")}),
        ({"hostname": {"exact": "a", "suffix": "b"}}, None, {("/match/hostname", "exactly_one_member")}),
        ({"hostname": {"suffix": "a\n"}}, None, {("/match/hostname/suffix", "not_a_hostname")}),
        ({"prefix": "/"}, {"prefix": {"value": "/a\n/"}}, {("/action/rewrite/prefix/value", "not_a_path")}),
        ({"path": {"exact": "/a"}}, {"path": {"exact": "/a\r"}}, {("/action/rewrite/path/exact", "not_a_path")}),
        ({"prefix": "/"}, {"prefix": {"value": "a"}}, {("/action/rewrite/prefix/value", "not_a_path")}),
        (
            {"prefix": "/"},
            {"prefix": {"value": "/", "defaultPrefix": "ENABLED"}},
            {("/action/rewrite/prefix/value", "mutually_exclusive")},
        ),
        ({"prefix": "/"}, {"path": {"exact": "/b"}}, {("/action/rewrite/path", "needs_path_match")}),
        ({"path": {"exact": "/a"}}, {"prefix": {}}, {("/action/rewrite/prefix", "needs_prefix_match")}),
        (
            {"path": {"exact": "/a"}},
            {"path": {"exact": "b"}, "prefix": {}},
            {
                ("/action/rewrite/path/exact", "not_a_path"),
                ("/action/rewrite/prefix", "mutually_exclusive"),
                ("/action/rewrite/prefix", "needs_prefix_match"),
            },
        ),
    ],
    ids=steady,
)
def test_a_gateway_route(match: Json, rewrite: Json, expected: set[tuple[str, str]]) -> None:
    found = wrong(build.gateway_route(match=match, rewrite=rewrite), build.gateway(), build.service())
    assert found == {(AT + pointer, code) for pointer, code in expected}


def test_app_meshs_grpc_services_are_reserved_at_gateways() -> None:
    route = build.gateway_route(protocol="grpc", match={"serviceName": "aws.appmesh.X"})
    found = wrong(route, build.gateway(protocol="grpc"), build.service())
    assert found == {(f"{GRPC}/match/serviceName", "reserved")}
