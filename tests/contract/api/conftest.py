"""The real app on a real database, as two tenants reach it: `api` and, of another org, `stranger`."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from isthmus.settings import Settings
from isthmus.store import hubs
from isthmus.store.database import Database
from isthmus.store.tokens import Tokens
from tests.databases import Copy
from tests.serving import make_keys

NEW, THERE = {"If-None-Match": "*"}, {"If-Match": "*"}


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A master key and a link CA, as an installation has them."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def app(copy: Copy, keys: Mapping[str, Path]) -> AsyncIterator[FastAPI]:
    """The app as its process makes it."""
    made = create_app(Settings(database_url=copy.url, valkey_url="redis://127.0.0.1:1", **keys))  # type: ignore[arg-type]
    async with made.router.lifespan_context(made):
        yield made


def _token(database: Database, org: UUID, name: str) -> str:
    with database.tenant(org) as session:
        return Tokens(session, org).create(name).text


def client(app: FastAPI, token: str | None = None) -> httpx.AsyncClient:
    """A connection to the app, signed in with `token`."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api", headers=headers)


@pytest.fixture
def token(database: Database, org: UUID) -> str:
    """A token of the org."""
    return _token(database, org, "ada")


@pytest.fixture
async def api(app: FastAPI, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """Signed in as the org."""
    async with client(app, token) as made:
        yield made


@pytest.fixture
async def stranger(app: FastAPI, database: Database, other_org: UUID) -> AsyncIterator[httpx.AsyncClient]:
    """Signed in as another org."""
    async with client(app, _token(database, other_org, "mallory")) as made:
        yield made


@pytest.fixture
def hub(database: Database) -> None:
    """A hub that is up, as far as the store says."""
    with database.system() as session:
        hubs.announce(session, "near", "us-east-1", "hub:1", "hub:2")


Counts = Callable[[], Mapping[str, int]]


@pytest.fixture
def rows(copy: Copy) -> Iterator[Counts]:
    """How many rows every table has, past all policies."""
    with copy.connect() as connection:
        named = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()

        def counts() -> Mapping[str, int]:
            return {
                str(name): int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])  # type: ignore[index]  # noqa: S608 - a catalogue's names
                for (name,) in named
            }

        yield counts


def violations(answer: httpx.Response) -> list[tuple[str, str]]:
    """(pointer, code) of a problem's violations."""
    return [(e["pointer"], e["code"]) for e in answer.json()["errors"]]


def problem(answer: httpx.Response) -> tuple[int, Any]:
    """Status and code of a refusal, which is a whole problem document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["request-id"]
    assert {"type", "title", "detail", "instance", "retryable"} <= body.keys()
    return answer.status_code, body["code"]
