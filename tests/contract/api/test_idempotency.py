"""A POST sent again under its key has no second effect and gets the same answer; under another's key it is refused."""

import asyncio

import httpx
import pytest

from tests.contract.api.conftest import NEW, Counts, problem
from tests.databases import Copy

KEY = {"Idempotency-Key": "k1"}
EAST = {"name": "east", "region": "us-east-1"}


async def test_the_same_again_is_answered_alike_and_done_once(api: httpx.AsyncClient, rows: Counts) -> None:
    first = await api.post("/v1/clusters", json=EAST, headers=KEY)
    before = rows()
    again = await api.post("/v1/clusters", json=dict(reversed(EAST.items())), headers=KEY)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["request-id"] != first.headers["request-id"]
    assert rows() == before


async def test_another_request_under_the_key_is_refused(api: httpx.AsyncClient, rows: Counts) -> None:
    await api.post("/v1/clusters", json=EAST, headers=KEY)
    before = rows()
    refused = await api.post("/v1/clusters", json=EAST | {"name": "west"}, headers=KEY)
    assert problem(refused) == (422, "idempotency_key_reused")
    assert problem(await api.post("/v1/clusters/east/join-tokens", json=EAST, headers=KEY))[0] == 422
    assert rows() == before


async def test_what_failed_may_be_tried_again(api: httpx.AsyncClient) -> None:
    url, change = (
        "/v1/meshes/shop/changes",
        [{"op": "put", "document": {"kind": "VirtualNode", "name": "a", "spec": {}}}],
    )
    assert problem(await api.post(url, json=change, headers=KEY)) == (404, "not_found")
    await api.put("/v1/meshes/shop", json={"spec": {}}, headers=NEW)
    assert (await api.post(url, json=change, headers=KEY)).json()["items"][0]["result"] == "created"
    assert (await api.post(url, json=change, headers=KEY)).json()["items"][0]["result"] == "created"
    assert (await api.post(url, json=change)).json()["items"][0]["result"] == "unchanged"


async def test_of_many_at_once_one_is_done(api: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*[api.post("/v1/clusters", json=EAST, headers=KEY) for _ in range(8)])
    assert {a.status_code for a in answers} <= {201, 409}
    assert 201 in {a.status_code for a in answers}
    for answer in answers:
        if answer.status_code == 409:
            assert problem(answer) == (409, "idempotency_key_in_flight")
    assert len((await api.get("/v1/clusters")).json()["items"]) == 1


async def test_a_key_is_its_owners(api: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    await api.post("/v1/clusters", json=EAST, headers=KEY)
    theirs = await stranger.post("/v1/clusters", json=EAST | {"region": "eu-west-1"}, headers=KEY)
    assert (theirs.status_code, theirs.json()["region"]) == (201, "eu-west-1")


@pytest.mark.usefixtures("hub")
async def test_a_kept_secret_cannot_be_read_from_the_database(api: httpx.AsyncClient, copy: Copy) -> None:
    await api.post("/v1/clusters", json=EAST)
    first = await api.post("/v1/clusters/east/join-tokens", headers=KEY)
    again = await api.post("/v1/clusters/east/join-tokens", headers=KEY)
    assert first.json()["token"] == again.json()["token"]
    with copy.connect() as connection:
        kept = connection.execute("SELECT body FROM idempotency_keys").fetchall()
    assert len(kept) == 1
    assert b"ist_join_" not in kept[0][0]


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_a_length(api: httpx.AsyncClient, key: str, rows: Counts) -> None:
    before = rows()
    assert problem(await api.post("/v1/clusters", json=EAST, headers={"Idempotency-Key": key}))[0] == 422
    assert rows() == before
