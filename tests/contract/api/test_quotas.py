"""What an org may have can be read, and running into it says which quota it was."""

from uuid import UUID

import httpx

from isthmus.store.database import Database
from isthmus.store.quotas import DEFAULTS, MESHES, Quotas
from tests.contract.api.conftest import NEW, problem


async def test_quotas_are_listed(api: httpx.AsyncClient, database: Database, org: UUID) -> None:
    with database.tenant(org) as session:
        Quotas(session, org).set(MESHES, 3)
    first = (await api.get("/v1/quotas?page_size=2")).json()
    rest = (await api.get(f"/v1/quotas?page_token={first['next_page_token']}")).json()
    listed = first["items"] + rest["items"]
    assert {q["name"]: q["default"] for q in listed} == DEFAULTS
    assert [q["name"] for q in listed] == sorted(DEFAULTS)
    assert {q["name"]: q["limit"] for q in listed if q["limit"] != q["default"]} == {MESHES: 3}


async def test_a_quota_that_is_reached_is_a_conflict_that_names_it(
    api: httpx.AsyncClient, database: Database, org: UUID
) -> None:
    with database.tenant(org) as session:
        Quotas(session, org).set(MESHES, 1)
    assert (await api.put("/v1/meshes/a", json={"spec": {}}, headers=NEW)).status_code == 201
    refused = await api.put("/v1/meshes/b", json={"spec": {}}, headers=NEW)
    assert problem(refused) == (409, "quota_exceeded")
    assert (refused.json()["quota"], refused.json()["limit"], refused.json()["retryable"]) == (MESHES, 1, False)
    assert (await api.get("/v1/meshes/b")).status_code == 404
