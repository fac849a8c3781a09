"""`isthmus migrate app-mesh`: settings for this installation that AWS's own loader reads, and no secret."""

import configparser
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import boto3
import pytest
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.session import Session

from isthmus.adapters.sealer import Sealer
from isthmus.cli.app_mesh_guide import MAKE_KEY, NO_KEY, SECRET, Installation, guide, settings
from isthmus.cli.client import Client
from isthmus.store.access_keys import AccessKeys
from isthmus.store.database import Database
from tests.conftest import ACCOUNT
from tests.contract.cli.conftest import Run

HERE = Installation("http://127.0.0.1:18000", "eu-west-1", "111122223333", "AKIAEXAMPLE")


def setting(of: Installation, client: str) -> str:
    """What is to be copied for one client."""
    return str(settings(of)["clients"][client]["setting"])


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Installation], None]:
    """Puts the guide's two files where AWS's clients look."""

    def put(of: Installation) -> None:
        for variable, client in (("AWS_CONFIG_FILE", "aws_config"), ("AWS_SHARED_CREDENTIALS_FILE", "aws_credentials")):
            (tmp_path / client).write_text(setting(of, client))
            monkeypatch.setenv(variable, str(tmp_path / client))

    return put


def test_aws_own_loader_reads_the_profile(profile: Callable[[Installation], None]) -> None:
    profile(HERE)
    session = Session(profile="isthmus")
    config = session.full_config["services"]["isthmus"]
    assert config == {"app_mesh": {"endpoint_url": HERE.url}}
    provider = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "appmesh", {})
    assert provider.provide() == HERE.url
    client = boto3.Session(profile_name="isthmus").client("appmesh")
    assert (client.meta.endpoint_url, client.meta.region_name) == (HERE.url, HERE.region)
    credentials = session.get_credentials()
    assert (credentials.access_key, credentials.secret_key) == (HERE.access_key_id, SECRET)


def test_the_environment_and_the_program_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = f"{setting(HERE, 'environment')}\nenv"
    done = subprocess.run(["/bin/sh", "-ec", shell], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    assert boto3.client("appmesh").meta.endpoint_url == HERE.url
    assert f'endpoint_url="{HERE.url}", region_name="{HERE.region}"' in setting(HERE, "boto3")
    for line in setting(HERE, "boto3").splitlines():
        compile(line, "guide", "eval")


def test_the_guide_is_plain_text_in_100_columns() -> None:
    text = guide(HERE)
    assert max(map(len, text.splitlines())) <= 100
    assert text.isascii()
    for fact in (
        HERE.url,
        HERE.region,
        HERE.account,
        HERE.access_key_id,
        "skip_requesting_account_id",
        "--aws-image-bind",
    ):
        assert str(fact) in text
    assert "$" not in text.replace("$(kubectl", "").replace("$kinds", "")
    assert all(each["setting"] in text for each in settings(HERE)["clients"].values())


def test_what_is_not_known_is_said_so() -> None:
    text = guide(Installation("https://mesh.example", "eu-west-1"))
    assert f"{NO_KEY}: none is active; make one with `{MAKE_KEY}`" in text
    assert "--account" in text


def test_the_guide_knows_this_installation(isthmus: Run, url: str, client: Client) -> None:
    before = isthmus("migrate", "app-mesh", "-o", "json")
    assert (before.json["url"], before.json["region"]) == (url, "us-east-1"), before.err
    client.put("/meshes/shop", {"spec": {}}, {"If-None-Match": "*"})
    assert isthmus("migrate", "app-mesh", "-o", "json").json["account"] == ACCOUNT
    told = isthmus("migrate", "app-mesh", "--region", "eu-west-1", "--account", "222222222222")
    assert (told.code, url in told.out, "eu-west-1" in told.out, "222222222222" in told.out) == (0, True, True, True)
    parsed = configparser.ConfigParser()
    parsed.read_string(isthmus("migrate", "app-mesh", "-o", "json").json["clients"]["aws_config"]["setting"])
    assert parsed["services isthmus"]["app_mesh"].split() == ["endpoint_url", "=", url]


def test_an_active_key_is_shown_and_its_secret_is_not(
    isthmus: Run, client: Client, database: Database, org: UUID, keys: dict[str, Path]
) -> None:
    if client.find("/access-keys") is None:
        pytest.skip("this API does not list access keys")
    with database.tenant(org) as session:
        made = AccessKeys(session, org, Sealer.load(keys["master_key_file"])).create(ACCOUNT)
    text, machine = isthmus("migrate", "app-mesh").out, isthmus("migrate", "app-mesh", "-o", "json")
    assert (machine.json["access_key_id"], machine.json["account"]) == (made.id, ACCOUNT)
    assert made.id in text
    assert str(made.secret) not in text + machine.out


def test_not_signed_in_is_told(isthmus: Run) -> None:
    refused = isthmus("migrate", "app-mesh", signed_in=False)
    assert (refused.code, refused.out, "isthmus login" in refused.err) == (1, "", True)


def test_without_a_subcommand_the_database_is_meant() -> None:
    command = [str(Path(sys.executable).parent / "isthmus"), "migrate"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={})
    assert (done.returncode, "/database_url: must be set" in done.stderr) == (1, True)
    assert "app-mesh" in subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
