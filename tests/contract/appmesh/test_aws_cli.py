"""The AWS CLI, as a customer's scripts call it: every operation, pages, refusals, and each way to tell it our address.

One `aws` is a second of CPU, so what takes many commands runs in one process of the same program
(tests/clients/aws_commands.py).
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import pytest
from botocore import xform_name

import tests
from isthmus.model.operations.table import OPERATIONS
from isthmus.store.access_keys import Made
from tests.contract.appmesh.conftest import REGION, Installation
from tests.contract.appmesh.story import BEFORE, M, Refusal, refusals, settled, story

Json = Any
AWS = Path(sys.executable).with_name("aws")
COMMANDS = Path(tests.__file__).parent / "clients" / "aws_commands.py"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        """What it printed; TagResource and UntagResource print nothing."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out or "{}")


@dataclass(frozen=True)
class Cli:
    """The AWS CLI with nothing of this machine's: no profile, no region, no proxy."""

    environment: Mapping[str, str]

    def aws(self, *words: str, **environment: str) -> Ran:
        """One `aws appmesh …` of its own."""
        ran = self._run([str(AWS), "appmesh", *words], "", environment)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def many(self, commands: Iterable[Sequence[str]]) -> list[Ran]:
        """The same of many, in one process."""
        lines = "".join(json.dumps(["appmesh", *words]) + "\n" for words in commands)
        ran = self._run([sys.executable, str(COMMANDS)], lines, {})
        assert (ran.returncode, ran.stderr) == (0, "")
        return [Ran(**json.loads(line)) for line in ran.stdout.splitlines()]

    def _run(
        self, command: Sequence[str], told: str, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        variables = {**self.environment, **environment}
        return subprocess.run(
            command, input=told, env=variables, capture_output=True, text=True, check=False, timeout=60
        )


def as_input(operation: str, params: Json) -> Sequence[str]:
    """A command that says everything in JSON."""
    return xform_name(operation, "-"), "--cli-input-json", json.dumps(params)


@pytest.fixture
def nowhere(tmp_path: Path, key: Made) -> Cli:
    """Signed in, but not told where App Mesh is."""
    signed_in = {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": str(key.secret), "AWS_DEFAULT_REGION": REGION}
    return Cli(signed_in | {"HOME": str(tmp_path), "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"})


@pytest.fixture
def cli(nowhere: Cli, installation: Installation) -> Cli:
    """Signed in, and told by the environment."""
    return Cli({**nowhere.environment, "AWS_ENDPOINT_URL_APP_MESH": installation.url})


def test_every_operation(cli: Cli, account: str) -> None:
    steps = list(story(account))
    assert {step.operation for step in steps} == OPERATIONS.keys()
    ran = cli.many(as_input(step.operation, step.params) for step in steps)
    assert [settled(each.json) for each in ran] == [step.answer for step in steps]


def test_a_command_by_its_own_flags(cli: Cli, account: str) -> None:
    spec = '{"egressFilter": {"type": "ALLOW_ALL"}}'
    made = cli.aws("create-mesh", "--mesh-name", "m", "--spec", spec, "--tags", "key=a,value=b", "key=c,value=")
    assert made.json["mesh"]["spec"] == json.loads(spec)
    assert abs(made.json["mesh"]["metadata"]["createdAt"] - time()) < 60
    arn = cli.aws("describe-mesh", "--mesh-name", "m", "--query", "mesh.metadata.arn", "--output", "text")
    assert arn.out == f"arn:aws:appmesh:{REGION}:{account}:mesh/m\n"
    tags = cli.aws("list-tags-for-resource", "--resource-arn", arn.out.strip(), "--output", "text")
    assert tags.out == "TAGS\ta\tb\nTAGS\tc\t\n"


def test_the_address_is_a_flag_or_stands_in_the_profile(nowhere: Cli, installation: Installation) -> None:
    """Beside the environment's variable, which all other tests use."""
    assert nowhere.aws("create-mesh", "--mesh-name", "m", "--endpoint-url", installation.url).code == 0
    config = Path(nowhere.environment["HOME"]) / ".aws" / "config"
    config.parent.mkdir()
    config.write_text(f"[default]\nservices = ours\n[services ours]\napp_mesh =\n  endpoint_url = {installation.url}\n")
    (mesh,) = nowhere.aws("list-meshes").json["meshes"]
    assert mesh["meshName"] == "m"


def test_lists_come_in_pages(cli: Cli) -> None:
    """The client pages by itself, and hands out a token of its own that names our token and a place in our page."""
    names = [f"n{i}" for i in range(7)]
    listing = ("list-virtual-nodes", "--mesh-name", "m")
    *_, all_of_them, some, page = cli.many(
        [
            as_input("CreateMesh", M),
            *(as_input("CreateVirtualNode", M | {"virtualNodeName": name, "spec": {}}) for name in names),
            (*listing, "--page-size", "2"),
            (*listing, "--page-size", "2", "--max-items", "3"),
            (*listing, "--limit", "2", "--no-paginate"),
        ]
    )
    rest = cli.aws(*listing, "--page-size", "2", "--starting-token", some.json["NextToken"])

    def listed(ran: Ran) -> list[str]:
        return [node["virtualNodeName"] for node in ran.json["virtualNodes"]]

    assert listed(all_of_them) == names
    assert (listed(some), listed(rest)) == (names[:3], names[3:])
    assert (listed(page), "nextToken" in page.json) == (names[:2], True)


def said(ran: Ran, refusal: Refusal) -> None:
    """The command failed with what a script would look for."""
    start = f"An error occurred ({refusal.name}) when calling the {refusal.operation} operation: "
    assert (ran.code, ran.out) == (255, "")
    assert ran.err.strip().startswith(start)
    assert refusal.part in ran.err


def test_refusals(cli: Cli, account: str) -> None:
    expected = refusals(account)
    before = [as_input(*call) for call in BEFORE]
    ran = cli.many([*before, *(as_input(refusal.operation, refusal.params) for refusal in expected)])
    for each, refusal in zip(ran[len(before) :], expected, strict=True):
        said(each, refusal)
    said(cli.aws(*as_input(expected[0].operation, expected[0].params)), expected[0])


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "x" * 40}, "InvalidSignatureException"),
        ({"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, "UnrecognizedClientException"),
    ],
    ids=["a wrong secret", "an unknown key"],
)
def test_nobody_else_gets_in(cli: Cli, variables: Mapping[str, str], name: str) -> None:
    said(cli.aws("list-meshes", **variables), Refusal("ListMeshes", {}, name, ""))
