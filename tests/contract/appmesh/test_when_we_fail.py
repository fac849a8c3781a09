"""What AWS's clients are told when the fault is ours: what they retry, and nothing of our insides."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from api.appmesh import resources
from isthmus.settings import Settings
from tests.contract.appmesh.conftest import REGION, refused
from tests.serving import served

Json = Any


def test_without_postgresql_clients_are_told_to_come_again(keys: Mapping[str, Path]) -> None:
    url = "postgresql+psycopg://isthmus_app@127.0.0.1:1/x"
    with served(Settings(database_url=url, valkey_url="redis://127.0.0.1:1", **keys)) as api:  # type: ignore[arg-type]
        client = boto3.client(
            "appmesh",
            endpoint_url=api,
            region_name=REGION,
            aws_access_key_id="AKIA" + "A" * 16,
            aws_secret_access_key="x" * 40,
            config=Config(retries={"total_max_attempts": 2, "mode": "standard"}),
        )
        with pytest.raises(client.exceptions.ServiceUnavailableException) as caught:
            client.list_meshes()
    said = caught.value.response["ResponseMetadata"]
    assert (said["HTTPStatusCode"], said["RetryAttempts"], said["HTTPHeaders"]["retry-after"]) == (503, 1, "1")


def test_a_bug_of_ours_says_nothing_but_its_id(
    appmesh: Json, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("our insides")

    appmesh.create_mesh(meshName="m")
    monkeypatch.setattr(resources, "resource", broken)
    with caplog.at_level(logging.ERROR):
        code, status, message = refused(appmesh.describe_mesh, meshName="m")
    assert (code, status) == ("InternalServerErrorException", 500)
    assert "insides" not in message
    assert "our insides" in caplog.text


def test_what_failed_half_way_is_not_done(appmesh: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("after the effect")

    with monkeypatch.context() as patch:
        patch.setattr(resources, "resource", broken)
        assert refused(appmesh.create_mesh, meshName="m", clientToken="t")[1] == 500
    assert appmesh.list_meshes()["meshes"] == []
    appmesh.create_mesh(meshName="m", clientToken="t")
