"""AWS's SDK for JavaScript as its users have it: every operation, pages, exceptions, and a clock that is wrong.

The SDK is installed as tests/clients/js/package-lock.json says, once for each version of that folder, beside the Python
that runs us.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import tests
from isthmus.model.operations.table import OPERATIONS
from isthmus.store.access_keys import Made
from tests.clients.keeping import kept
from tests.contract.appmesh.conftest import REGION, Installation
from tests.contract.appmesh.story import BEFORE, M, refusals, settled, story

Json = Any
SOURCE = Path(tests.__file__).parent / "clients" / "js"
NODE, NPM = shutil.which("node"), shutil.which("npm")
pytestmark = pytest.mark.skipif(not (NODE and NPM), reason="needs node and npm on PATH")
TEN_MINUTES = 600_000


@dataclass(frozen=True)
class Sdk:
    """The SDK in an environment of its own: a key, a region, our address, and nothing of this machine's."""

    folder: Path
    environment: Mapping[str, str]

    def call(self, calls: Iterable[Json], **config: Json) -> list[Json]:
        """What each call of one client answers."""
        command = [str(NODE), "app_mesh.mjs", json.dumps(config)]
        told = "".join(json.dumps(call) + "\n" for call in calls)
        ran = subprocess.run(
            command, cwd=self.folder, env=self.environment, input=told, capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]


def asked(operation: str, params: Json) -> Json:
    """One call, as app_mesh.mjs is told it."""
    return {"operation": operation, "input": params}


@pytest.fixture(scope="session")
def installed() -> Path:
    """The folder with the SDK in it; xdist's workers wait for the one that makes it."""
    return kept(SOURCE, install)


def install(home: Path) -> None:
    """Add the SDK."""
    command = [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    ran = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=240)
    assert ran.returncode == 0, f"npm ci: {ran.stderr}"


@pytest.fixture
def sdk(installed: Path, installation: Installation, key: Made, tmp_path: Path) -> Sdk:
    """Signed in as the tenant."""
    signed_in = {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": str(key.secret), "AWS_REGION": REGION}
    ours = {"AWS_ENDPOINT_URL_APP_MESH": installation.url, "HOME": str(tmp_path), "PATH": os.defpath}
    return Sdk(installed, signed_in | ours)


def test_every_operation(sdk: Sdk, account: str) -> None:
    steps = list(story(account))
    assert {step.operation for step in steps} == OPERATIONS.keys()
    answers = sdk.call(asked(step.operation, step.params) for step in steps)
    assert [settled(answer.get("output", answer)) for answer in answers] == [step.answer for step in steps]
    assert {(answer["metadata"]["httpStatusCode"], answer["metadata"]["attempts"]) for answer in answers} == {(200, 1)}
    created = datetime.fromisoformat(answers[0]["output"]["mesh"]["metadata"]["createdAt"])
    assert abs(created - datetime.now(UTC)) < timedelta(minutes=1), "the SDK has made a Date of it"
    assert len({answer["metadata"]["requestId"] for answer in answers}) == len(steps)


def test_lists_come_in_pages(sdk: Sdk) -> None:
    names = [f"n{i}" for i in range(5)]
    nodes = [asked("CreateVirtualNode", M | {"virtualNodeName": name, "spec": {}}) for name in names]
    paging = asked("ListVirtualNodes", M) | {"pageSize": 2}
    *_, listed = sdk.call([asked("CreateMesh", M), *nodes, paging])
    found = [[node["virtualNodeName"] for node in page["virtualNodes"]] for page in listed["pages"]]
    assert found == [names[:2], names[2:4], names[4:]]


def test_refusals_are_the_sdks_own_exceptions(sdk: Sdk, account: str) -> None:
    expected = refusals(account)
    before = [asked(*call) for call in BEFORE]
    answers = sdk.call([*before, *(asked(refusal.operation, refusal.params) for refusal in expected)])
    for answer, refusal in zip(answers[len(before) :], expected, strict=True):
        error, metadata = answer["error"], answer["metadata"]
        assert (error["name"], error["modelled"], error["fault"]) == (refusal.name, True, "client")
        assert refusal.part in error["message"]
        assert (metadata["httpStatusCode"], metadata["attempts"]) == (refusal.status, 1)
        assert metadata["requestId"]


def test_a_wrong_secret_is_refused(sdk: Sdk) -> None:
    wrong = Sdk(sdk.folder, {**sdk.environment, "AWS_SECRET_ACCESS_KEY": "x" * 40})
    (answer,) = wrong.call([asked("ListMeshes", {})], maxAttempts=1)
    assert (answer["error"]["name"], answer["metadata"]["httpStatusCode"]) == ("InvalidSignatureException", 403)


@pytest.mark.parametrize("off", [TEN_MINUTES, -TEN_MINUTES], ids=["ahead", "behind"])
def test_a_wrong_clock_is_set_by_our_answer(sdk: Sdk, off: int) -> None:
    """The SDK reads our Date header when a signature's time is refused, and tries again."""
    first, second = sdk.call([asked("ListMeshes", {})] * 2, clockOff=off)
    assert (first["output"], first["metadata"]["attempts"]) == ({"meshes": []}, 2)
    assert (second["output"], second["metadata"]["attempts"]) == ({"meshes": []}, 1)
    (refused,) = sdk.call([asked("ListMeshes", {})], clockOff=off, maxAttempts=1)
    assert refused["error"]["name"] == "InvalidSignatureException"
    assert refused["error"]["message"].startswith("Signature")
