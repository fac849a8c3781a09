"""The real API on a real socket, as AWS's own clients reach it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest
import uvicorn
from botocore.config import Config

from api.app import create_app
from isthmus.adapters.local_signer import create_link_ca
from isthmus.adapters.sealer import Sealer
from isthmus.settings import Settings
from isthmus.store.access_keys import AccessKeys, Made
from isthmus.store.database import Database
from isthmus.store.tables import Account
from tests.conftest import ACCOUNT, OTHER_ACCOUNT
from tests.databases import Copy
from tests.until import until

REGION = "eu-west-1"
SECOND_ACCOUNT = "333333333333"
Json = Any


@dataclass(frozen=True)
class Installation:
    """An API that answers, and what its keys are sealed with."""

    url: str
    sealer: Sealer
    database: Database


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A master key and a link CA, as an installation has them."""
    home = tmp_path_factory.mktemp("keys")
    files = {name: home / name for name in ("master_key_file", "link_ca_cert", "link_ca_key")}
    sealer = Sealer.create(files["master_key_file"])
    create_link_ca(files["link_ca_cert"], files["link_ca_key"], sealer, now=datetime.now(UTC))
    return files


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The API's URL while it answers."""
    config = uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def installation(copy: Copy, keys: Mapping[str, Path], database: Database) -> Iterator[Installation]:
    """The API on a database of its own."""
    settings = Settings(database_url=copy.url, valkey_url="redis://127.0.0.1:1", **keys)  # type: ignore[arg-type]
    with served(settings) as url:
        yield Installation(url, Sealer.load(keys["master_key_file"]), database)


def key_of(installation: Installation, org: UUID, account: str) -> Made:
    """A new access key of an account."""
    with installation.database.tenant(org) as session:
        if session.get(Account, (org, account)) is None:
            session.add(Account(org_id=org, id=account, name=account))
            session.flush()
        return AccessKeys(session, org, installation.sealer).create(account)


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
def key(installation: Installation, org: UUID) -> Made:
    """The org's access key."""
    return key_of(installation, org, ACCOUNT)


@pytest.fixture
def appmesh(installation: Installation, key: Made) -> Json:
    """boto3 as the org's first account."""
    return client(installation, key)


@pytest.fixture
def consumer(installation: Installation, org: UUID) -> Json:
    """boto3 as the org's second account."""
    return client(installation, key_of(installation, org, SECOND_ACCOUNT))


@pytest.fixture
def stranger(installation: Installation, other_org: UUID) -> Json:
    """boto3 as another org."""
    return client(installation, key_of(installation, other_org, OTHER_ACCOUNT))


Refused = Callable[..., tuple[str, int, str]]


def refused(call: Callable[..., Json], **params: Json) -> tuple[str, int, str]:
    """The exception, status and message with which a call is refused."""
    client = call.__self__  # type: ignore[attr-defined]
    with pytest.raises(client.exceptions.ClientError) as caught:
        call(**params)
    said = caught.value.response
    assert said["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] == said["ResponseMetadata"]["RequestId"]
    return said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"], said["Error"]["Message"]
