"""What was written says how far it has come, and what of it has no effect and why."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from isthmus.store import tables
from isthmus.store.database import Database
from isthmus.values import BASE_DOMAIN
from tests import build
from tests.contract.api.conftest import NEW
from workers.compile import bring_to_head
from workers.warm import Warm

URL = "/v1/meshes/shop"
LATER = build.node("front", backends=["later.local"])
NOTE = {
    "pointer": "/spec/backends/0/virtualService/virtualServiceName",
    "reason": "there is no virtual service later.local yet",
}


@pytest.fixture
async def shop(api: httpx.AsyncClient) -> httpx.AsyncClient:
    answer = await api.put(URL, json=build.definition(LATER, build.node("blue")).json(), headers=NEW)
    assert answer.json()["meta"]["status"] == {"state": "accepted", "ineffective": None}
    return api


async def compile_head(api: httpx.AsyncClient, database: Database, org: UUID, **set_to: Any) -> None:  # noqa: ANN401
    """Do what the worker does, and set a column of the mesh."""
    mesh = UUID((await api.get(URL)).json()["meta"]["uid"])
    with database.tenant(org) as session:
        bring_to_head(session, org, mesh, BASE_DOMAIN, datetime.now(UTC), Warm())
        for name, value in set_to.items():
            setattr(session.get_one(tables.Mesh, (org, mesh)), name, value)


async def status(api: httpx.AsyncClient, name: str) -> Any:  # noqa: ANN401 - JSON
    return (await api.get(f"{URL}/virtual-nodes/{name}")).json()["meta"]["status"]


async def test_right_after_a_write_nothing_is_known_of_effects(shop: httpx.AsyncClient) -> None:
    assert await status(shop, "front") == {"state": "accepted", "ineffective": None}


async def test_what_has_no_effect_is_told_on_the_resource_with_the_reason(
    shop: httpx.AsyncClient, database: Database, org: UUID
) -> None:
    await compile_head(shop, database, org)
    assert await status(shop, "front") == {"state": "rolling_out", "ineffective": [NOTE]}
    assert await status(shop, "blue") == {"state": "rolling_out", "ineffective": []}
    listed = (await shop.get(f"{URL}/virtual-nodes")).json()["items"]
    assert {each["name"]: len(each["meta"]["status"]["ineffective"]) for each in listed} == {"front": 1, "blue": 0}
    whole = (await shop.get(URL)).json()["meta"]["status"]
    assert whole == {"state": "rolling_out", "ineffective": [{"kind": "VirtualNode", "key": "front"} | NOTE]}


async def test_what_every_proxy_has_taken_is_live_also_while_something_newer_is_on_its_way(
    shop: httpx.AsyncClient, database: Database, org: UUID
) -> None:
    await compile_head(shop, database, org, live=1)
    answer = await shop.put(f"{URL}/virtual-nodes/green", json={"spec": {}}, headers=NEW)
    assert answer.json()["meta"]["status"] == {"state": "accepted", "ineffective": None}
    assert (await status(shop, "front"))["state"] == "live"
    assert (await shop.get(URL)).json()["meta"]["status"]["state"] == "accepted"


async def test_what_was_read_can_be_written_back(shop: httpx.AsyncClient, database: Database, org: UUID) -> None:
    await compile_head(shop, database, org)
    read = await shop.get(f"{URL}/virtual-nodes/front")
    answer = await shop.put(f"{URL}/virtual-nodes/front", json=read.json(), headers={"If-Match": read.headers["etag"]})
    assert (answer.status_code, answer.json()) == (200, read.json())
