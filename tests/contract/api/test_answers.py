"""What every answer carries; who is let in; what is said when PostgreSQL is away; the contract as served."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from isthmus.settings import Settings
from isthmus.store import beats
from isthmus.store.database import Database
from isthmus.store.tokens import Tokens
from tests.contract.api.conftest import NEW, Counts, client, problem
from tests.contract.store.conftest import blocked
from tests.databases import Copy
from tests.until import until

PATHS = ("/healthz", "/v1/meshes", "/v1/none", "/openapi.json", "/docs")


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_an_id_of_ours(api: httpx.AsyncClient, path: str) -> None:
    answers = [await api.get(path, headers={"X-Request-Id": "theirs"}) for _ in range(2)]
    ids = {a.headers["request-id"] for a in answers}
    assert len(ids) == 2
    assert all(re.fullmatch(r"req_[0-9a-f]{32}", i) for i in ids)
    assert answers[0].headers["client-request-id"] == "theirs"
    assert answers[0].headers["cache-control"] == "no-store"


async def test_our_own_bug_says_nothing_but_its_id(app: FastAPI, token: str) -> None:
    def broken() -> None:
        raise RuntimeError("a secret of ours")

    app.add_api_route("/broken", broken)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as caller:
        answer = await caller.get("/broken")
    assert problem(answer) == (500, "internal_error")
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "header",
    [None, "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer ist_pat_" + "a" * 36, "Bearer ist_pät_é\udcff"],
    ids=["none", "no token", "blank", "basic", "short", "forged", "not ascii"],
)
@pytest.mark.parametrize("path", ["/v1/meshes", "/v1/meshes/x/virtual-nodes/y", "/v1/clusters"])
async def test_without_a_valid_token_nobody_is_let_in(app: FastAPI, header: str | None, path: str) -> None:
    headers = [] if header is None else [(b"Authorization", header.encode("utf-8", "surrogateescape"))]
    async with client(app) as nobody:
        refused = await nobody.get(path, headers=headers)
    assert problem(refused)[0] == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="isthmus"'


async def test_a_revoked_or_expired_token_is_as_good_as_none(
    app: FastAPI, database: Database, org: UUID, token: str
) -> None:
    async with client(app, token) as caller:
        assert (await caller.get("/v1/meshes")).status_code == 200
        with database.tenant(org) as session:
            tokens = Tokens(session, org)
            tokens.revoke(tokens.list()[0].id)
        assert problem(await caller.get("/v1/meshes")) == (401, "bad_token")


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/docs", "/docs/problems"])
async def test_what_needs_no_sign_in(app: FastAPI, path: str) -> None:
    async with client(app) as nobody:
        assert (await nobody.get(path)).status_code == 200


@pytest.mark.usefixtures("hub")
async def test_ready_is_said_when_every_part_has_shown_itself(api: httpx.AsyncClient, database: Database) -> None:
    early = await api.get("/readyz")
    assert (early.status_code, early.json()["parts"]["worker"]) == (503, False)
    for part in ("relay", "worker"):
        beats.beat(database, part)
    ready = await api.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert set(ready.json()["parts"].values()) == {True}


@pytest.mark.parametrize("where", ["@127.0.0.1:1/x", "@/x?host=/nowhere"], ids=["tcp", "socket"])
async def test_without_postgresql_the_same_request_may_work_later(
    keys: Mapping[str, Path], where: str, token: str
) -> None:
    url = f"postgresql+psycopg://isthmus_app{where}"
    app = create_app(Settings(database_url=url, valkey_url="redis://127.0.0.1:1", **keys))  # type: ignore[arg-type]
    async with app.router.lifespan_context(app), client(app, token) as caller:
        refused = await caller.get("/v1/meshes")
        assert problem(refused) == (503, "unavailable")
        assert (refused.json()["retryable"], refused.headers["retry-after"]) == (True, "1")
        assert (await caller.get("/healthz")).status_code == 200
        ready = await caller.get("/readyz")
        assert (ready.status_code, ready.json()["parts"]) == (503, {"database": False})


@pytest.mark.parametrize("pooled", [False, True], ids=["a new connection", "a pooled connection"])
async def test_a_connection_that_breaks_while_we_look_is_a_database_that_is_away(
    api: httpx.AsyncClient,
    copy: Copy,
    pooled: bool,  # noqa: FBT001
) -> None:
    if pooled:
        await api.get("/readyz")
    with copy.connect() as admin, admin.transaction():
        admin.execute("LOCK TABLE beats IN ACCESS EXCLUSIVE MODE")
        looking = asyncio.create_task(api.get("/readyz"))
        await asyncio.to_thread(until, lambda: blocked(copy) == 1)
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        ready = await looking
    assert (ready.status_code, ready.json()) == (503, {"status": "not ready", "parts": {"database": False}})
    assert (await api.get("/readyz")).json()["parts"]["database"] is True


async def test_connections_that_broke_while_nobody_looked_are_replaced(api: httpx.AsyncClient, copy: Copy) -> None:
    await asyncio.gather(*[api.get("/readyz") for _ in range(4)])
    with copy.connect() as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert (await api.get("/readyz")).json()["parts"]["database"] is True


async def test_a_bug_of_ours_is_not_called_a_database_that_is_away(app: FastAPI, copy: Copy) -> None:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    with copy.connect() as admin:
        admin.execute("ALTER TABLE beats RENAME TO drums")
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as caller:
                assert problem(await caller.get("/readyz")) == (500, "internal_error")
        finally:
            admin.execute("ALTER TABLE drums RENAME TO beats")


@pytest.fixture
def hurried(copy: Copy) -> Iterator[Callable[[str], None]]:
    """Makes PostgreSQL give up waiting after 200 ms; the database is shared, so it is told otherwise at the end."""

    def hurry(setting: str) -> None:
        connection.execute(f"ALTER DATABASE {copy.name} SET {setting} = '200ms'")

    with copy.connect() as connection:
        yield hurry
        connection.execute(f"ALTER DATABASE {copy.name} RESET ALL")


@pytest.mark.parametrize("setting", ["lock_timeout", "statement_timeout"])
async def test_what_takes_too_long_may_work_later(
    hurried: Callable[[str], None], copy: Copy, api: httpx.AsyncClient, setting: str, rows: Counts
) -> None:
    hurried(setting)
    await api.put("/v1/meshes/shop", json={"spec": {}}, headers=NEW)
    before, change = rows(), [{"op": "put", "document": {"kind": "VirtualNode", "name": "a", "spec": {}}}]
    with copy.connect() as connection, connection.transaction():
        connection.execute("SELECT * FROM meshes FOR UPDATE")
        refused = await api.post("/v1/meshes/shop/changes", json=change)
    assert problem(refused) == (503, "unavailable")
    assert rows() == before
    assert (await api.post("/v1/meshes/shop/changes", json=change)).status_code == 200


def references(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


async def test_the_contract_is_whole(api: httpx.AsyncClient) -> None:
    contract = (await api.get("/openapi.json")).json()
    assert contract["openapi"].startswith("3.1")
    schemas = contract["components"]["schemas"]
    used = set(references(contract))
    assert {ref.removeprefix("#/components/schemas/") for ref in used} <= schemas.keys()
    operations = [(path, method, o) for path, listed in contract["paths"].items() for method, o in listed.items()]
    ids = [o["operationId"] for _, _, o in operations]
    assert len(set(ids)) == len(ids) >= 45
    assert {"putMesh", "putRoute", "deleteBinding", "createJoinToken", "changeMesh", "getRevision"} <= set(ids)
    for path, method, operation in operations:
        said = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert said == set(re.findall(r"{(\w+)}", path)), f"{method} {path}"
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        if path.startswith("/v1"):
            assert operation["security"], f"{method} {path} needs a sign-in"
        if method in {"put", "post"}:
            assert list(references(operation["requestBody"])), f"{method} {path} says its body"
        if method in {"put", "delete"}:
            assert "if-match" in {p["name"] for p in operation["parameters"]}
    assert schemas["VirtualNodeDocument"]["properties"]["spec"]["$ref"].endswith("VirtualNodeSpec")


async def test_the_documentation_needs_no_internet_and_lists_everything(api: httpx.AsyncClient) -> None:
    page, problems = (await api.get("/docs")).text, (await api.get("/docs/problems")).text
    contract = (await api.get("/openapi.json")).json()
    for path in contract["paths"]:
        assert path in page
    for code in ("validation_failed", "revision_mismatch", "precondition_required", "ambiguous_mesh", "in_use"):
        assert f'id="{code}"' in problems
    for text in (page, problems):
        assert not re.findall(r'(?:src|href)="(?!/)', text)
