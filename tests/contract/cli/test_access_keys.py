"""Access keys and accounts by command: what a shell evaluates, what a script reads, and by which code it learns."""

import os
import re
import subprocess

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from isthmus.cli.client import Client
from tests.conftest import ACCOUNT
from tests.contract.cli.conftest import Run

VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_APP_MESH")


def test_a_shell_has_what_aws_clients_need(isthmus: Run, url: str) -> None:
    made = isthmus("access-key", "create")
    assert (made.code, "not shown again" in made.err) == (0, True)
    assert ACCOUNT in made.err
    script = made.out + "".join(f'echo "${name}"\n' for name in VARIABLES)
    key, secret, endpoint = subprocess.check_output(["/bin/sh", "-eu", "-c", script], env={}, text=True).split()
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key)
    assert (len(secret), endpoint) == (40, url)
    listed = isthmus("access-key", "list")
    assert key in listed.out
    assert secret not in listed.out + isthmus("access-key", "list", "-o", "json").out


def test_what_is_printed_is_all_that_boto3_needs(isthmus: Run, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.put("/meshes/shop", {"spec": {}}, {"If-None-Match": "*"})
    for line in isthmus("access-key", "create").out.splitlines():
        monkeypatch.setenv(*line.removeprefix("export ").split("=", 1))
    appmesh = boto3.Session(region_name="us-east-1").client("appmesh", config=Config(retries={"total_max_attempts": 1}))
    (mesh,) = appmesh.list_meshes()["meshes"]
    assert (mesh["meshName"], mesh["meshOwner"]) == ("shop", ACCOUNT)
    name = os.environ["AWS_ACCESS_KEY_ID"]
    for doing, good in (("deactivate", False), ("activate", True), ("delete", False)):
        assert isthmus("access-key", doing, name).code == 0
        if good:
            appmesh.list_meshes()
        else:
            with pytest.raises(ClientError, match="UnrecognizedClientException"):
                appmesh.list_meshes()


def test_a_key_is_switched_off_and_on_and_deleted(isthmus: Run) -> None:
    key = isthmus("access-key", "create", "-o", "json").json
    assert key["secret_access_key"]
    name = key["access_key_id"]
    off = isthmus("access-key", "deactivate", name)
    assert (off.code, off.out) == (0, f"access key {name} is inactive\n")
    assert isthmus("access-key", "list").out.split()[4:7] == [name, ACCOUNT, "inactive"]
    assert isthmus("access-key", "activate", name, "-o", "json").json["status"] == "active"
    gone = isthmus("access-key", "delete", name)
    assert (gone.code, gone.out) == (0, f"access key {name} is deleted\n")
    assert isthmus("access-key", "list", "-o", "json").json == {"items": []}
    again = isthmus("access-key", "create", "-o", "json").json["access_key_id"]
    assert isthmus("access-key", "delete", again, "-o", "json").json == {"deleted": again}


def test_an_account_is_made_and_a_key_for_it(isthmus: Run) -> None:
    made = isthmus("account", "create", "old one", "--id", "333333333333")
    assert (made.code, made.out.splitlines()) == (
        0,
        ["account 333333333333 is old one; next: isthmus access-key create --account 333333333333"],
    )
    assert isthmus("access-key", "create", "--account", "333333333333", "-o", "json").json["account"] == "333333333333"
    chosen = isthmus("account", "create", "team", "-o", "json").json
    assert re.fullmatch("[1-9][0-9]{11}", chosen["id"])
    listed = [" ".join(line.split()) for line in isthmus("account", "list").out.splitlines()]
    assert listed == ["ID NAME", f"{ACCOUNT} Acme", *sorted(["333333333333 old one", f"{chosen['id']} team"])]
    assert len(isthmus("account", "list", "-o", "json").json["items"]) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("access-key", "create", "--account", "1"), 1, "/account"),
        (("access-key", "create", "--account", "999999999999"), 1, "not_found"),
        (("access-key", "deactivate", "AKIANONE"), 1, "not_found"),
        (("access-key", "activate", "a/b"), 1, "not_found"),
        (("access-key", "delete", "AKIANONE"), 1, "not_found"),
        (("access-key", "delete"), 2, "Missing argument"),
        (("account", "create", "again", "--id", ACCOUNT), 3, "name_taken"),
        (("account", "create", "", "--id", "12"), 1, "/id"),
        (("account", "create"), 2, "Missing argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_refusal_says_why_and_ends_with_its_code(
    isthmus: Run, client: Client, arguments: tuple[str, ...], code: int, told: str
) -> None:
    ended = isthmus(*arguments)
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert told in ended.err
    assert list(client.listed("/access-keys")) == []


@pytest.mark.parametrize("command", ["access-key", "account"])
def test_help_says_what_there_is(isthmus: Run, command: str) -> None:
    shown = isthmus(command, "--help", signed_in=False)
    wanted = {"access-key": ("create", "list", "deactivate", "activate", "delete"), "account": ("create", "list")}
    assert shown.code == 0
    for name in wanted[command]:
        assert name in shown.out
        assert isthmus(command, name, "--help", signed_in=False).code == 0
    nobody = isthmus(command, "list", signed_in=False)
    assert (nobody.code, "isthmus login" in nobody.err) == (1, True)
