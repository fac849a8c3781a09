"""The tenant's other commands: what they print, and by which code a script learns what happened."""

import json
import stat
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import update

from isthmus.cli.client import Client
from isthmus.store import tables
from isthmus.store.database import Database
from tests.contract.cli.conftest import Run

NODE = {"kind": "VirtualNode", "name": "a", "spec": {}}


@pytest.fixture
def shop(client: Client) -> Client:
    """A mesh with one node."""
    client.put("/meshes/shop", {"spec": {}, "resources": [NODE]}, {"If-None-Match": "*"})
    return client


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("arguments", "head", "first"),
    [
        (("meshes",), "NAME REF HEAD TARGET LIVE", "shop 111111111111:us-east-1:shop 1 0 0"),
        (("revisions", "-m", "shop"), "REVISION STATUS AUTHOR REASON LIVE AFTER MS", "1 accepted ada put mesh -"),
        (("virtual-nodes", "-m", "shop"), "NAME REVISION VERSION UPDATED UNBOUND, FOUND BY", "a 1 1"),
        (("clusters",), "NAME REGION STATE AGENTS TRUST DOMAIN", ""),
        (("clusters", "-m", "shop"), "NAME REVISION VERSION UPDATED", ""),
        (("routes", "-m", "shop", "--parent", "r"), "NAME REVISION VERSION UPDATED", ""),
    ],
    ids=["meshes", "revisions", "nodes", "clusters", "attachments", "routes"],
)
def test_get_shows_a_table(isthmus: Run, arguments: tuple[str, ...], head: str, first: str) -> None:
    shown = isthmus("get", *arguments)
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert (shown.code, lines[0]) == (0, head), shown.err
    assert " ".join(lines[1:]).startswith(first)
    assert "items" in isthmus("get", *arguments, "-o", "json").json


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("get", "teapots", "-m", "shop"), 2, "virtual-nodes"),
        (("get", "virtual-nodes"), 2, "--mesh"),
        (("get", "routes", "-m", "shop"), 2, "--parent"),
        (("get", "virtual-nodes", "none", "-m", "shop"), 1, "not_found"),
        (("get", "meshes", "none"), 1, "not_found"),
        (("rollout", "status", "none"), 1, "not_found"),
        (("rollout", "status", "shop"), 1, ""),
        (("cluster", "add", "E", "--region", "moon"), 1, "/region"),
        (("apply", "-f", "/nowhere"), 2, "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_refusal_says_why_and_ends_with_its_code(
    isthmus: Run, arguments: tuple[str, ...], code: int, told: str
) -> None:
    ended = isthmus(*arguments)
    assert (ended.code, "Traceback" in ended.err) == (code, False), ended.err
    assert told in ended.err


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("status", "code"),
    [("live", 0), ("partly_live", 0), ("rolling_out", 1), ("superseded", 1), ("halted", 4), ("rejected", 4)],
)
def test_the_code_of_a_rollouts_status(isthmus: Run, database: Database, org: UUID, status: str, code: int) -> None:
    with database.tenant(org) as session:
        session.execute(update(tables.Revision).values(status=status))
    shown = isthmus("rollout", "status", "shop", "-o", "json")
    assert (shown.code, shown.json["status"], shown.json["number"]) == (code, status, 1)
    assert f"revision 1 is {status} on 0 of 0 proxies" in isthmus("rollout", "status", "shop").out
    assert isthmus("rollout", "status", "shop", "--wait", "--timeout", "0.3").code == code


@pytest.mark.usefixtures("hub")
def test_a_cluster_is_added_with_one_command(isthmus: Run) -> None:
    added = isthmus("cluster", "add", "east", "--region", "us-east-1", "-o", "json")
    assert added.json["cluster"]["network"] == "east", added.err
    assert added.json["join_token"]["command"].startswith("isthmus agent --hub hub:2 --hub-ca sha256:")
    assert isthmus("cluster", "get", "east").json["name"] == "east"
    told = isthmus("cluster", "join-token", "east")
    assert told.out.startswith("isthmus agent --hub ")
    assert isthmus("cluster", "add", "east", "--region", "us-east-1").code == 3


def test_login_remembers_what_works(isthmus: Run, url: str, token: str, tmp_path: Path) -> None:
    nobody = isthmus("get", "meshes", signed_in=False)
    assert (nobody.code, "isthmus login" in nobody.err) == (1, True)
    wrong = isthmus("login", "--api", url, "--token", "x", signed_in=False)
    assert (wrong.code, "bad_token" in wrong.err) == (1, True)
    assert isthmus("login", "--api", url, "--token", token, signed_in=False).code == 0
    file = tmp_path / "config" / "isthmus" / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"api": url, "token": token}
    assert isthmus("get", "meshes", signed_in=False).code == 0


def test_an_api_that_does_not_answer_is_said_so(isthmus: Run) -> None:
    refused = isthmus("login", "--api", "http://127.0.0.1:1", "--token", "x", signed_in=False)
    assert (refused.code, "cannot reach" in refused.err) == (1, True)
