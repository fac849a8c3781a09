"""A document is made, read, changed and deleted under its URL, and nobody overwrites what he has not seen."""

from ipaddress import ip_address
from typing import Any

import httpx
import pytest

from isthmus.model.vips import DEFAULT
from tests.contract.api.conftest import NEW, THERE, problem, violations

NODE = {"spec": {"listeners": [{"portMapping": {"port": 8080, "protocol": "http"}}]}}
URL = "/v1/meshes/shop/virtual-nodes/blue"
Json = Any


@pytest.fixture
async def shop(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """The API with an empty mesh."""
    made = await api.put("/v1/meshes/shop", json={"spec": {}}, headers=NEW)
    assert made.status_code == 201, made.text
    return api


async def test_a_document_lives_from_its_put_to_its_delete(shop: httpx.AsyncClient) -> None:
    made = await shop.put(URL, json=NODE, headers=NEW)
    assert (made.status_code, made.headers["etag"]) == (201, '"2"'), made.text
    read = (await shop.get(URL)).json()
    assert read["meta"].pop("arn") == "arn:aws:appmesh:us-east-1:111111111111:mesh/shop/virtualNode/blue"
    assert read["spec"] == NODE["spec"]
    assert (await shop.get("/v1/meshes/shop/virtual-nodes")).json()["items"] == [made.json()]
    changed = await shop.put(URL, json=read | {"spec": {}}, headers={"If-Match": '"2"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["meta"]["version"]) == (200, '"3"', 2)
    again = await shop.put(URL, json={"spec": {}}, headers=THERE)
    assert (again.status_code, again.headers["etag"]) == (200, '"3"'), "what is already so makes no revision"
    gone = await shop.delete(URL, headers={"If-Match": '"3"'})
    assert gone.json() == {"revision": 4}
    assert problem(await shop.get(URL)) == (404, "not_found")


async def test_a_virtual_service_says_its_addresses(shop: httpx.AsyncClient) -> None:
    url = "/v1/meshes/shop/virtual-services/a.local"
    made = await shop.put(url, json={"spec": {}}, headers=NEW)
    assert made.status_code == 201, made.text
    meta = made.json()["meta"]
    assert ip_address(meta["vip"]) in DEFAULT
    assert meta["vip6"] == str(ip_address(meta["vip6"]))
    assert (await shop.get(url)).json()["meta"] == meta
    blue = (await shop.put(URL, json=NODE, headers=NEW)).json()
    assert not {"vip", "vip6"} & blue["meta"].keys()


async def test_a_range_that_has_no_more_addresses_refuses_another_service(shop: httpx.AsyncClient) -> None:
    services: Json = [{"kind": "VirtualService", "name": name, "spec": {}} for name in ("a", "b")]
    whole: Json = {"spec": {}, "settings": {"vips": "240.0.0.0/30"}, "resources": services}
    assert (await shop.put("/v1/meshes/shop", json=whole, headers=THERE)).status_code == 200
    refused = await shop.put("/v1/meshes/shop/virtual-services/c", json={"spec": {}}, headers=NEW)
    assert problem(refused) == (409, "vips_exhausted")
    whole["settings"] = {"vips": "127.0.0.0/8"}
    refused = await shop.put("/v1/meshes/shop", json=whole, headers=THERE)
    assert violations(refused) == [("/settings/vips", "reserved_network")]


@pytest.mark.parametrize(
    ("there", "headers", "expected"),
    [
        (False, {}, (428, "precondition_required")),
        (False, {"If-Match": "*"}, (412, "revision_mismatch")),
        (False, {"If-Match": '"1"'}, (412, "revision_mismatch")),
        (True, {}, (428, "precondition_required")),
        (True, {"If-None-Match": "*"}, (412, "revision_mismatch")),
        (True, {"If-Match": '"1"'}, (412, "revision_mismatch")),
        (True, {"If-Match": "2"}, (400, "bad_precondition")),
        (True, {"If-Match": '"2", "3"'}, (400, "bad_precondition")),
        (True, {"If-None-Match": '"2"'}, (400, "bad_precondition")),
        (True, {"If-Match": "*", "If-None-Match": "*"}, (400, "bad_precondition")),
    ],
    ids=[
        "new, nothing said",
        "new, but to be changed",
        "new, but read before",
        "there, nothing said",
        "there, but to be made",
        "there, changed since",
        "no quotes",
        "two tags",
        "not this tag",
        "both",
    ],
)
async def test_a_write_says_what_it_expects(
    shop: httpx.AsyncClient, there: object, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    if there:
        await shop.put(URL, json=NODE, headers=NEW)
    assert problem(await shop.put(URL, json={"spec": {}}, headers=headers)) == expected


async def test_a_stale_writer_is_told_the_revision(shop: httpx.AsyncClient) -> None:
    await shop.put(URL, json=NODE, headers=NEW)
    refused = await shop.put(URL, json={"spec": {}}, headers={"If-Match": '"1"'})
    assert (refused.headers["etag"], refused.json()["current_revision"]) == ('"2"', 2)


async def test_names_with_slashes_and_percent_signs_are_names(shop: httpx.AsyncClient) -> None:
    for name, escaped in (("a/b", "a%2Fb"), ("a%2Fb", "a%252Fb"), ("ä b", "%C3%A4%20b")):
        url = f"/v1/meshes/shop/virtual-nodes/{escaped}"
        made = await shop.put(url, json=NODE, headers=NEW)
        assert (made.status_code, made.json()["name"]) == (201, name), made.text
        assert (await shop.get(url)).json() == made.json()


async def test_what_is_still_referred_to_stays(shop: httpx.AsyncClient) -> None:
    await shop.put(URL, json=NODE, headers=NEW)
    service = {"spec": {"provider": {"virtualNode": {"virtualNodeName": "blue"}}}}
    await shop.put("/v1/meshes/shop/virtual-services/blue.local", json=service, headers=NEW)
    refused = await shop.delete(URL, headers=THERE)
    assert problem(refused) == (409, "in_use")
    assert refused.json()["used_by"] == ["VirtualService blue.local"]
    assert problem(await shop.delete("/v1/meshes/shop", headers=THERE)) == (409, "in_use")


async def test_routes_live_below_their_router(shop: httpx.AsyncClient) -> None:
    await shop.put(URL, json=NODE, headers=NEW)
    router = {"spec": {"listeners": [{"portMapping": {"port": 8080, "protocol": "http"}}]}}
    target = {"weightedTargets": [{"virtualNode": "blue", "weight": 1}]}
    route = {"spec": {"httpRoute": {"match": {"prefix": "/"}, "action": target}}}
    url = "/v1/meshes/shop/virtual-routers/r/routes/all"
    refused = await shop.put(url, json=route, headers=NEW)
    assert violations(refused) == [("/parent", "dangling_reference")]
    await shop.put("/v1/meshes/shop/virtual-routers/r", json=router, headers=NEW)
    made = await shop.put(url, json=route, headers=NEW)
    assert made.json()["parent"] == "r"
    listed = (await shop.get("/v1/meshes/shop/virtual-routers/r/routes")).json()["items"]
    assert [d["name"] for d in listed] == ["all"]


async def test_a_list_comes_in_pages_that_only_its_reader_can_turn(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    changes = [{"op": "put", "document": {"kind": "VirtualNode", "name": f"n{i}", "spec": {}}} for i in range(5)]
    assert (await shop.post("/v1/meshes/shop/changes", json=changes)).status_code == 200
    url, seen = "/v1/meshes/shop/virtual-nodes?page_size=2", []
    while url:
        page = await shop.get(url)
        seen.append([d["name"] for d in page.json()["items"]])
        url = page.links["next"]["url"] if "next" in page.links else ""
        assert bool(url) == bool(page.json()["next_page_token"])
    assert seen == [["n0", "n1"], ["n2", "n3"], ["n4"]]
    token = (await shop.get("/v1/meshes/shop/virtual-nodes?page_size=2")).json()["next_page_token"]
    for wrong in (token[:-3] + "abc", "x", "é", ""):
        refused = await shop.get("/v1/meshes/shop/virtual-nodes", params={"page_token": wrong})
        assert violations(refused) == [("/query/page_token", "bad_page_token")]
    other = await shop.get("/v1/meshes/shop/virtual-services", params={"page_token": token})
    assert violations(other) == [("/query/page_token", "bad_page_token")]
    for asker in (stranger,):
        assert (await asker.get("/v1/meshes", params={"page_token": token})).status_code == 422
    assert violations(await shop.get("/v1/meshes?page_size=0")) == [("/query/page_size", "invalid_parameter")]


BARE: list[tuple[str, Json, Json, str]] = [
    ("clusters/east", {}, {"x": 1}, "/x"),
    ("placements/a", {"clusters": ["east"]}, {"clusters": [1]}, "/clusters/0"),
    ("bindings/b", {"node": "a", "match": {"file": "b"}}, {"node": "none", "match": {"file": "b"}}, "/node"),
]


@pytest.mark.parametrize(("path", "body", "wrong", "pointer"), BARE, ids=[row[0] for row in BARE])
async def test_what_app_mesh_has_no_word_for_may_be_its_spec_alone(
    api: httpx.AsyncClient, path: str, body: Json, wrong: Json, pointer: str
) -> None:
    """contracts.md, "Clusters, joining, hosts"; violations point into what was sent."""
    await api.post("/v1/clusters", json={"name": "east", "region": "us-east-1"})
    node = {"kind": "VirtualNode", "name": "a", "spec": {}}
    attached = {"kind": "Attachment", "name": "east", "spec": {}}
    resources = [node] if path.startswith("clusters") else [node, attached]
    await api.put("/v1/meshes/m", json={"spec": {}, "resources": resources}, headers=NEW)
    refused = await api.put(f"/v1/meshes/m/{path}", json=wrong, headers=NEW)
    assert refused.status_code == 422
    assert [at for at, _ in violations(refused)] == [pointer]
    made = await api.put(f"/v1/meshes/m/{path}", json=body, headers=NEW)
    assert (made.status_code, made.json()["spec"]) == (201, body)
    again = await api.put(f"/v1/meshes/m/{path}", json={"spec": body, "tags": {"k": "v"}}, headers=THERE)
    assert (again.status_code, again.json()["tags"]) == (200, {"k": "v"})
