"""The real API on a real socket, as AWS's own clients reach it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import httpx
import pytest
from botocore.config import Config

from isthmus.adapters.sealer import Sealer
from isthmus.settings import Settings
from isthmus.store.access_keys import AccessKeys, Made
from isthmus.store.database import Database
from isthmus.store.orgs import bootstrap
from isthmus.store.tables import Account
from isthmus.store.tokens import Tokens
from tests.contract.api.conftest import keys
from tests.databases import Copy, Server
from tests.serving import served

__all__ = ["keys"]

REGION = "eu-west-1"
Json = Any


@dataclass(frozen=True)
class Installation:
    """An API that answers, and what its keys are sealed with."""

    url: str
    sealer: Sealer
    database: Database
    copy: Copy


@pytest.fixture(scope="session")
def installation(postgres_server: Server, keys: Mapping[str, Path]) -> Iterator[Installation]:
    """One API for the run, on a database of its own; each test is another tenant of it."""
    with postgres_server.copy() as copy:
        settings = Settings(database_url=copy.url, valkey_url="redis://127.0.0.1:1", **keys)  # type: ignore[arg-type]
        database = Database(copy.url)
        with served(settings) as url:
            yield Installation(url, Sealer.load(keys["master_key_file"]), database, copy)
        database.close()


@dataclass(frozen=True)
class Tenant:
    """An org of one test alone, and its first account."""

    org: UUID
    account: str


_NUMBERS = count(1)


def new_tenant(installation: Installation) -> Tenant:
    """Another one."""
    number = next(_NUMBERS)
    account = f"1{number:011d}"
    return Tenant(bootstrap(installation.database, f"org-{number}", "An org", account), account)


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    """Who the test is."""
    return new_tenant(installation)


@pytest.fixture
def account(tenant: Tenant) -> str:
    """The tenant's first account."""
    return tenant.account


def key_of(installation: Installation, tenant: Tenant, account: str | None = None) -> Made:
    """A new access key of the tenant's first account, or of another that is made for it."""
    with installation.database.tenant(tenant.org) as session:
        if account is not None:
            session.add(Account(org_id=tenant.org, id=account, name=account))
            session.flush()
        return AccessKeys(session, tenant.org, installation.sealer).create(account or tenant.account)


def client(installation: Installation, key: Made, region: str = REGION) -> Json:
    """boto3's client for App Mesh, with nothing changed but the URL."""
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client(
        "appmesh",
        endpoint_url=installation.url,
        region_name=region,
        aws_access_key_id=key.id,
        aws_secret_access_key=str(key.secret),
        config=config,
    )


@pytest.fixture
def key(installation: Installation, tenant: Tenant) -> Made:
    """The tenant's access key."""
    return key_of(installation, tenant)


@pytest.fixture
def appmesh(installation: Installation, key: Made) -> Json:
    """boto3 as the tenant's first account."""
    return client(installation, key)


@pytest.fixture
def second(tenant: Tenant) -> str:
    """The tenant's second account."""
    return f"2{tenant.account[1:]}"


@pytest.fixture
def consumer(installation: Installation, tenant: Tenant, second: str) -> Json:
    """boto3 as the tenant's second account."""
    return client(installation, key_of(installation, tenant, second))


@pytest.fixture
def stranger(installation: Installation) -> Json:
    """boto3 as another tenant."""
    return client(installation, key_of(installation, new_tenant(installation)))


@pytest.fixture
def v1(installation: Installation, tenant: Tenant) -> Iterator[httpx.Client]:
    """The native interface, signed in as the tenant."""
    with installation.database.tenant(tenant.org) as session:
        token = Tokens(session, tenant.org).create("ada").text
    with httpx.Client(base_url=installation.url, headers={"Authorization": f"Bearer {token}"}) as made:
        yield made


def refused(call: Callable[..., Json], **params: Json) -> tuple[str, int, str]:
    """The exception, status and message with which a call is refused."""
    client = call.__self__  # type: ignore[attr-defined]
    with pytest.raises(client.exceptions.ClientError) as caught:
        call(**params)
    said = caught.value.response
    assert said["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] == said["ResponseMetadata"]["RequestId"]
    return said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"], said["Error"]["Message"]
