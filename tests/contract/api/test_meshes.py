"""A whole definition is one revision; of two writers at once one is told; nothing is half done."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.contract.api.conftest import NEW, THERE, Counts, problem, violations

URL = "/v1/meshes/shop"


def node(name: str, **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A virtual node's document."""
    return {"kind": "VirtualNode", "name": name, "spec": spec}


async def test_a_put_brings_the_mesh_to_the_definition(api: httpx.AsyncClient) -> None:
    first = {"kind": "Mesh", "name": "shop", "spec": {}, "resources": [node("a"), node("b")]}
    made = await api.put(URL, json=first, headers=NEW)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"'), made.text
    assert made.json()["meta"]["ref"] == "111111111111:us-east-1:shop"
    read = (await api.get(URL)).json()
    same = await api.put(URL, json=read, headers={"If-Match": '"1"'})
    assert (same.status_code, same.headers["etag"]) == (200, '"1"'), "what was read can be sent back"
    second = await api.put(URL, json={"spec": {}, "resources": [node("b"), node("c")]}, headers={"If-Match": '"1"'})
    assert [d["name"] for d in second.json()["resources"]] == ["b", "c"]
    revision = (await api.get(f"{URL}/revisions/2")).json()
    assert revision["changed"] == [{"kind": "VirtualNode", "key": "a"}, {"kind": "VirtualNode", "key": "c"}]
    assert (revision["author"], revision["status"], revision["reason"]) == ("ada", "accepted", "put mesh")
    assert revision["proxies"] == dict.fromkeys(("connected", "acked", "nacked", "lost", "deferred", "unproven"), 0)
    by_full_name = await api.get("/v1/meshes/111111111111:us-east-1:shop")
    assert by_full_name.json() == (await api.get(URL)).json()


async def test_settings_and_tags_come_back_as_sent(api: httpx.AsyncClient) -> None:
    said = {"spec": {"egressFilter": {"type": "ALLOW_ALL"}}, "settings": {"transport": "strict"}, "tags": {"a": "b"}}
    await api.put(URL, json=said, headers=NEW)
    read = (await api.get(URL)).json()
    assert {k: read[k] for k in said} == said


@pytest.mark.parametrize(
    ("there", "headers", "expected"),
    [
        (False, {}, (428, "precondition_required")),
        (False, THERE, (412, "revision_mismatch")),
        (False, {"If-Match": '"1"'}, (412, "revision_mismatch")),
        (True, NEW, (412, "revision_mismatch")),
        (True, {"If-Match": '"7"'}, (412, "revision_mismatch")),
    ],
)
async def test_preconditions_of_a_mesh(
    api: httpx.AsyncClient, there: object, headers: dict[str, str], expected: tuple[int, str], rows: Counts
) -> None:
    if there:
        await api.put(URL, json={"spec": {}}, headers=NEW)
    before = rows()
    assert problem(await api.put(URL, json={"spec": {}, "tags": {"a": "b"}}, headers=headers)) == expected
    assert rows() == before


async def test_of_writers_at_once_one_wins_and_the_others_are_told(api: httpx.AsyncClient) -> None:
    made = await asyncio.gather(*[api.put(URL, json={"spec": {}}, headers=NEW) for _ in range(6)])
    assert sorted(a.status_code for a in made) == [201, 412, 412, 412, 412, 412]
    bodies = [{"spec": {}, "resources": [node(f"n{i}")]} for i in range(6)]
    put = await asyncio.gather(*[api.put(URL, json=body, headers={"If-Match": '"1"'}) for body in bodies])
    assert sorted(a.status_code for a in put) == [200, 412, 412, 412, 412, 412]
    ended = [api.delete(URL, headers={"If-Match": '"2"'}), api.put(URL, json={"spec": {}}, headers={"If-Match": '"2"'})]
    assert sorted([a.status_code for a in await asyncio.gather(*ended)]) in ([200, 409], [200, 412], [200, 404])


async def test_a_deleted_mesh_is_gone_and_its_name_free(api: httpx.AsyncClient) -> None:
    await api.put(URL, json={"spec": {}}, headers=NEW)
    assert problem(await api.delete(URL, headers={"If-Match": '"9"'})) == (412, "revision_mismatch")
    assert (await api.delete(URL, headers={"If-Match": '"1"'})).json() == {"revision": 2}
    assert problem(await api.get(URL)) == (404, "not_found")
    assert (await api.put(URL, json={"spec": {}}, headers=NEW)).status_code == 201


async def test_a_name_in_two_regions_must_be_said_in_full(api: httpx.AsyncClient) -> None:
    await api.put("/v1/meshes/111111111111:eu-west-1:shop", json={"spec": {}}, headers=NEW)
    await api.put("/v1/meshes/111111111111:us-east-1:shop", json={"spec": {}}, headers=NEW)
    refused = await api.get(URL)
    assert problem(refused) == (409, "ambiguous_mesh")
    assert refused.json()["refs"] == ["111111111111:eu-west-1:shop", "111111111111:us-east-1:shop"]
    assert problem(await api.put("/v1/meshes/222222222222:us-east-1:x", json={"spec": {}}, headers=NEW))[0] == 404
    wrong = await api.put("/v1/meshes/111111111111:nowhere:x", json={"spec": {}}, headers=NEW)
    assert violations(wrong) == [("/path/mesh", "not_a_region")]
    assert len((await api.get("/v1/meshes")).json()["items"]) == 2


async def test_changes_are_one_revision_and_tell_what_each_did(api: httpx.AsyncClient) -> None:
    await api.put(URL, json={"spec": {}, "resources": [node("same"), node("old"), node("gone")]}, headers=NEW)
    changes = [
        {"op": "put", "document": node("new"), "if_none_match": "*"},
        {"op": "put", "document": node("old") | {"tags": {"a": "b"}}, "if_match": '"1"'},
        {"op": "put", "document": node("same")},
        {"op": "delete", "document": {"kind": "VirtualNode", "name": "gone"}},
        {"op": "put", "document": {"kind": "Mesh", "name": "shop", "spec": {"egressFilter": {"type": "DROP_ALL"}}}},
    ]
    answer = (await api.post(f"{URL}/changes", json=changes)).json()
    assert [(i["kind"], i["name"], i["result"], i["revision"]) for i in answer["items"]] == [
        ("VirtualNode", "new", "created", 2),
        ("VirtualNode", "old", "changed", 2),
        ("VirtualNode", "same", "unchanged", 1),
        ("VirtualNode", "gone", "deleted", 2),
        ("Mesh", "shop", "changed", 2),
    ]
    assert answer["revision"] == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"op": "put", "document": node("b"), "if_none_match": "*"}, (412, "revision_mismatch")),
        ({"op": "put", "document": node("b"), "if_match": '"9"'}, (412, "revision_mismatch")),
        ({"op": "delete", "document": {"kind": "VirtualNode", "name": "none"}}, (404, "not_found")),
        ({"op": "put", "document": node("c", listeners=[1])}, (422, "validation_failed")),
    ],
)
async def test_changes_are_all_or_nothing(
    api: httpx.AsyncClient, change: dict[str, Any], expected: tuple[int, str], rows: Counts
) -> None:
    await api.put(URL, json={"spec": {}, "resources": [node("b")]}, headers=NEW)
    before = rows()
    good = {"op": "put", "document": node("a")}
    assert problem(await api.post(f"{URL}/changes", json=[good, change])) == expected
    assert rows() == before


async def test_a_put_spares_what_its_author_may_not_know_of(api: httpx.AsyncClient) -> None:
    await api.post("/v1/clusters", json={"name": "east", "region": "us-east-1"})
    said = {"spec": {}, "resources": [node("a")]}
    await api.put(URL, json=said, headers=NEW)
    await api.put(f"{URL}/clusters/east", json={"spec": {}}, headers=NEW)
    await api.put(f"{URL}/placements/a", json={"spec": {"clusters": ["east"]}}, headers=NEW)
    await api.put(f"{URL}/transports/a", json={"spec": {"mode": "strict"}}, headers=NEW)
    bound = {"spec": {"node": "a", "match": {"file": "a-1"}}}
    await api.put(f"{URL}/bindings/a-1", json=bound, headers=NEW)
    answer = await api.put(URL, json=said, headers=THERE)
    assert sorted(d["kind"] for d in answer.json()["resources"]) == [
        "Attachment",
        "Binding",
        "Placement",
        "Transport",
        "VirtualNode",
    ]
    assert answer.headers["etag"] == '"5"'
