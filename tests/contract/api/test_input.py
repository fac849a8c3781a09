"""Bad input is refused whole, with every wrong field named, and leaves nothing behind."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.contract.api.conftest import NEW, Counts, problem, violations

Json = Any
URL = "/v1/meshes/shop"
JSON = {"Content-Type": "application/json"}
NODE = f"{URL}/virtual-nodes/a"


@pytest.fixture
async def shop(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """The API with an empty mesh."""
    await api.put(URL, json={"spec": {}}, headers=NEW)
    return api


def listener(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A node's body with one listener."""
    return {"spec": {"listeners": [{"portMapping": {"port": 80, "protocol": "http"} | more}]}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (listener(speed=1), [("/spec/listeners/0/portMapping/speed", "unknown_field")]),
        (listener(port="80"), [("/spec/listeners/0/portMapping/port", "wrong_type")]),
        (listener(port=10**30), [("/spec/listeners/0/portMapping/port", "out_of_range")]),
        (listener(port=1e3), [("/spec/listeners/0/portMapping/port", "wrong_type")]),
        (listener(port=None), [("/spec/listeners/0/portMapping/port", "wrong_type")]),
        ({}, [("/spec", "missing")]),
        ([], [("", "wrong_type")]),
        ({"spec": {}, "kind": "VirtualRouter", "name": "b"}, [("/kind", "not_this_url"), ("/name", "not_this_url")]),
        ({"spec": {}, "parent": "r"}, [("/parent", "unknown_field")]),
        ({"spec": {}, "tags": {"a\0b": "c"}}, [("/tags", "nul_character")]),
        ({"spec": {}, "tags": {"a": "\0"}}, [("/tags/a", "nul_character")]),
        ({"spec": {}, "tags": {"a": "\ud800"}}, [("/tags/a", "wrong_type")]),
        ({"spec": {"\ud800": 1}}, [("", "wrong_type")]),
        (
            {"spec": {"listeners": 1, "speed": 2}, "tags": {"a": 1}, "colour": "red"},
            [
                ("/colour", "unknown_field"),
                ("/spec/listeners", "wrong_type"),
                ("/spec/speed", "unknown_field"),
                ("/tags/a", "wrong_type"),
            ],
        ),
    ],
    ids=[
        "unknown field",
        "number as a string",
        "huge number",
        "fraction",
        "null",
        "nothing said",
        "a list",
        "another thing's body",
        "a parent it has not",
        "nul in a key",
        "nul in a value",
        "half a surrogate pair",
        "half a surrogate pair in a key",
        "everything at once",
    ],
)
async def test_every_wrong_field_is_named(
    shop: httpx.AsyncClient, body: Json, expected: list[tuple[str, str]], rows: Counts
) -> None:
    before = rows()
    refused = await shop.put(NODE, content=json.dumps(body), headers=NEW | JSON)
    assert problem(refused) == (422, "validation_failed")
    assert violations(refused) == expected
    assert rows() == before


DEEP = b'{"spec": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
LEVELS = b'{"spec": {"a": ' + b'{"a": ' * 200 + b"1" + b"}" * 200 + b"}}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (400, "not_json")),
        (b"{", (400, "not_json")),
        (b"spec: {}", (400, "not_json")),
        (b'{"spec": NaN}', (400, "not_json")),
        (b'{"spec": "\xff"}', (400, "not_json")),
        ('{"spec": {}}'.encode("utf-16"), (400, "not_json")),
        (DEEP, (400, "not_json")),
        (LEVELS, (422, "validation_failed")),
        (b'{"spec": {}, "spec": {}}', (422, "validation_failed")),
        (b'{"spec": ' + b"9" * 5_000 + b"}", (400, "not_json")),
        (b'{"spec": ' + b"9" * 4_000 + b"}", (422, "validation_failed")),
        (
            b'{"spec": {"listeners": [{"portMapping": {"port": 1e999, "protocol": "http"}}]}}',
            (422, "validation_failed"),
        ),
        (b'{"spec": "' + b"x" * 1024 * 1024 + b'"}', (413, "body_too_large")),
    ],
    ids=[
        "nothing",
        "half",
        "yaml",
        "NaN",
        "not utf-8",
        "utf-16",
        "100,000 lists",
        "200 objects",
        "a key twice",
        "too many digits",
        "many digits",
        "an infinite port",
        "too large",
    ],
)
async def test_what_is_no_json_of_ours_is_refused(
    shop: httpx.AsyncClient, content: bytes, expected: tuple[int, str], rows: Counts
) -> None:
    before = rows()
    assert problem(await shop.put(NODE, content=content, headers=NEW | JSON)) == expected
    assert rows() == before


async def test_a_body_is_cut_off_when_it_has_grown_too_large_whatever_it_declared(shop: httpx.AsyncClient) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 65_536

    assert problem(await shop.put(NODE, content=chunks(), headers=NEW | JSON)) == (413, "body_too_large")
    assert sent < 20


@pytest.mark.parametrize("kind", ["text/plain", "application/x-yaml", "multipart/form-data; boundary=x"])
async def test_only_json_is_read(shop: httpx.AsyncClient, kind: str) -> None:
    refused = await shop.put(NODE, content=b'{"spec": {}}', headers=NEW | {"Content-Type": kind})
    assert problem(refused) == (415, "unsupported_media_type")


async def test_a_definition_names_the_wrong_field_of_each_resource(api: httpx.AsyncClient, rows: Counts) -> None:
    route = {"prefix": "/"}
    resources = [
        {"kind": "VirtualNode", "name": "a", "spec": {"backends": 1}},
        {"kind": "VirtualNode", "name": "b", "spec": {}},
        {"kind": "VirtualNode", "name": "b", "spec": {}},
        {"kind": "Teapot", "name": "t", "spec": {}},
        {"kind": "Route", "name": "r", "spec": {"httpRoute": {"match": route, "action": {"weightedTargets": []}}}},
    ]
    before = rows()
    refused = await api.put(URL, json={"spec": {}, "resources": resources, "colour": 1}, headers=NEW)
    assert problem(refused) == (422, "validation_failed")
    assert violations(refused) == [
        ("/colour", "unknown_field"),
        ("/resources/0/spec/backends", "wrong_type"),
        ("/resources/2", "duplicate"),
        ("/resources/3/kind", "not_one_of"),
        ("/resources/4/parent", "missing"),
        ("/resources/4/spec/httpRoute/action/weightedTargets", "too_short"),
    ]
    assert rows() == before


async def test_dangling_references_are_named(api: httpx.AsyncClient, rows: Counts) -> None:
    provider = {"provider": {"virtualRouter": {"virtualRouterName": "none"}}}
    placed = {"kind": "Placement", "name": "none", "spec": {"clusters": ["east"]}}
    resources = [{"kind": "VirtualService", "name": "s", "spec": provider}, placed]
    before = rows()
    refused = await api.put(URL, json={"spec": {}, "resources": resources}, headers=NEW)
    assert violations(refused) == [
        ("/resources/0/spec/provider/virtualRouter/virtualRouterName", "dangling_reference"),
        ("/resources/1/name", "dangling_reference"),
        ("/resources/1/spec/clusters/0", "dangling_reference"),
    ]
    assert rows() == before


async def test_a_regular_expression_that_envoy_refuses_is_named(shop: httpx.AsyncClient) -> None:
    resources = [
        {"kind": "VirtualNode", "name": "n", "spec": listener()["spec"]},
        {"kind": "VirtualRouter", "name": "r", "spec": listener()["spec"]},
        {
            "kind": "Route",
            "name": "x",
            "parent": "r",
            "spec": {
                "httpRoute": {
                    "match": {"path": {"regex": "(?=x)"}},
                    "action": {"weightedTargets": [{"virtualNode": "n", "weight": 1}]},
                }
            },
        },
    ]
    refused = await shop.put(URL, json={"spec": {}, "resources": resources}, headers={"If-Match": "*"})
    assert [pointer for pointer, _ in violations(refused)] == ["/resources/2/spec/httpRoute/match/path/regex"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "e", "region": "us-east-1", "size": 3}, [("/size", "unknown_field")]),
        ({"name": 1}, [("/name", "wrong_type"), ("/region", "missing")]),
        (
            {"name": "E!", "region": "moon"},
            [("/name", "not_a_dns_label"), ("/network", "not_a_dns_label"), ("/region", "not_a_region")],
        ),
        ({"name": "a\0", "region": "us-east-1"}, [("/name", "not_a_dns_label"), ("/network", "not_a_dns_label")]),
        ([], [("", "wrong_type")]),
    ],
    ids=["unknown", "mistyped and missing", "all wrong", "nul", "a list"],
)
async def test_a_clusters_fields_are_named(
    api: httpx.AsyncClient, body: Json, expected: list[tuple[str, str]], rows: Counts
) -> None:
    before = rows()
    refused = await api.post("/v1/clusters", json=body)
    assert violations(refused) == expected
    assert rows() == before


DELETE = {"op": "delete"}


def put(kind: str, name: str) -> dict[str, Json]:
    """A change that puts an empty document."""
    return {"op": "put", "document": {"kind": kind, "name": name, "spec": {}}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("", "wrong_type")]),
        ([], [("", "wrong_type")]),
        ([1, {"op": "x"}], [("/0", "wrong_type"), ("/1/document", "wrong_type"), ("/1/op", "not_one_of")]),
        ([DELETE | {"document": {"kind": "Mesh", "name": "shop"}}], [("/0/document/kind", "not_one_of")]),
        (
            [DELETE | {"document": {"kind": "Route", "name": 1}}],
            [("/0/document/name", "wrong_type"), ("/0/document/parent", "missing")],
        ),
        ([put("VirtualNode", "a")] * 2, [("/1/document", "duplicate")]),
        ([put("Attachment", "moon")], [("/0/document/name", "dangling_reference")]),
        ([put("Mesh", "other")], [("/0/document/name", "not_this_mesh")]),
        (
            [put("VirtualNode", "a") | {"if_match": 7, "when": 1}],
            [("/0/if_match", "wrong_type"), ("/0/when", "unknown_field")],
        ),
    ],
    ids=[
        "an object",
        "none",
        "no changes",
        "the mesh deleted",
        "half a key",
        "one thing twice",
        "an unknown cluster",
        "another mesh",
        "wrong conditions",
    ],
)
async def test_a_changes_fields_are_named(
    shop: httpx.AsyncClient, body: Json, expected: list[tuple[str, str]], rows: Counts
) -> None:
    before = rows()
    refused = await shop.post(f"{URL}/changes", json=body)
    assert violations(refused) == expected
    assert rows() == before


@pytest.mark.parametrize("path", ["/v1/meshes/a%00b", "/v1/meshes/shop/virtual-nodes/a%00", "/v1/clusters/%00"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_name_with_nul_names_nothing(shop: httpx.AsyncClient, method: str, path: str) -> None:
    refused = await shop.request(method, path, json={"spec": {}} if method == "PUT" else None, headers=NEW)
    if (method, path) != ("PUT", "/v1/clusters/%00"):
        assert violations(refused) == [("/path", "nul_character")]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/teapots", (404, "not_found")),
        ("GET", "/v1/meshes/shop/", (404, "not_found")),
        ("POST", "/v1/meshes/shop", (405, "method_not_allowed")),
        ("GET", "/v1/meshes/shop/revisions/x", (422, "validation_failed")),
        ("GET", f"/v1/meshes/shop/revisions/{2**64}", (422, "validation_failed")),
        ("GET", "/v1/meshes/shop/revisions/99", (404, "not_found")),
        ("GET", "/v1/meshes/shop/rollouts/1", (404, "not_found")),
    ],
)
async def test_what_is_not_there_is_a_problem_too(
    shop: httpx.AsyncClient, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert problem(await shop.request(method, path)) == expected


@pytest.mark.parametrize("url", ["accounts", "access-keys", "clusters"])
async def test_a_key_that_no_answer_can_hold_is_refused(api: httpx.AsyncClient, url: str) -> None:
    refused = await api.post(f"/v1/{url}", content=rb'{"\ud800": "x"}', headers=JSON)
    assert violations(refused) == [("", "wrong_type")]


async def test_a_name_that_nothing_can_have_is_refused(shop: httpx.AsyncClient) -> None:
    changes = [{"op": "delete", "document": {"kind": "VirtualNode", "name": "\ud800"}}]
    refused = await shop.post(f"{URL}/changes", content=json.dumps(changes), headers=JSON)
    assert violations(refused) == [("/0/document/name", "wrong_type")]
