"""What tests of the real store stand on: a database of their own, and two orgs that must never meet."""

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest

from isthmus.store.database import AsyncDatabase, Database
from isthmus.store.orgs import bootstrap
from tests.databases import Copy, Server, server

ACCOUNT, OTHER_ACCOUNT = "111111111111", "222222222222"
WITHOUT_SOCKETS = ("tests/unit/", "tests/golden/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pure code is tested without sockets, so that what reaches out by accident fails."""
    for item in items:
        if item.nodeid.startswith(WITHOUT_SOCKETS):
            item.add_marker(pytest.mark.disable_socket)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop that we run on."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One PostgreSQL for the run, or for each of xdist's workers."""
    with server() as running:
        yield running


@pytest.fixture
def copy(postgres_server: Server) -> Iterator[Copy]:
    """A migrated database that is this test's until it ends, with its addresses."""
    with postgres_server.turn() as made:
        yield made


@pytest.fixture
def database(copy: Copy) -> Iterator[Database]:
    """The store as workers, relay and hub reach it."""
    made = Database(copy.url)
    yield made
    made.close()


@pytest.fixture
async def async_database(copy: Copy) -> AsyncIterator[AsyncDatabase]:
    """The store as the API reaches it."""
    made = AsyncDatabase(copy.url)
    yield made
    await made.close()


@pytest.fixture
def org(database: Database) -> UUID:
    """An org with one account."""
    return bootstrap(database, "acme", "Acme", ACCOUNT)


@pytest.fixture
def other_org(database: Database) -> UUID:
    """Another tenant."""
    return bootstrap(database, "evil", "Evil", OTHER_ACCOUNT)
