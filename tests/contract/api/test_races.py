"""Writers of one mesh at once: each gets a revision of its own, and none gets another's number."""

import asyncio

import httpx

from tests.contract.api.conftest import NEW


async def test_writers_of_different_things_all_succeed(api: httpx.AsyncClient) -> None:
    await api.put("/v1/meshes/shop", json={"spec": {}}, headers=NEW)
    urls = [f"/v1/meshes/shop/virtual-nodes/n{i}" for i in range(30)]
    made = await asyncio.gather(*[api.put(url, json={"spec": {}}, headers=NEW) for url in urls])
    assert {a.status_code for a in made} == {201}
    assert sorted(int(a.headers["etag"].strip('"')) for a in made) == list(range(2, 32))
