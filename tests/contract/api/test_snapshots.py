"""What is stored of a compile can be read: by view, decoded, each resource with the document that made it."""

from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest

from isthmus.model.document import Document
from isthmus.store.authorities import Authorities
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.values import BASE_DOMAIN
from tests import build
from tests.contract.api.conftest import NEW, problem
from workers.compile import bring_to_head
from workers.warm import Warm

URL = "/v1/meshes/shop"
FRONT = "node/front@1.40"


@pytest.fixture
async def shop(api: httpx.AsyncClient, database: Database, org: UUID) -> httpx.AsyncClient:
    """A mesh in a cluster, with a node whose name is no plain word; and a cluster that has no part in it."""
    now = datetime.now(UTC)
    with database.tenant(org) as session:
        for name in ("east", "elsewhere"):
            row = Clusters(session, org).create(name, "us-east-1", name, now=now)
            Authorities(session, org).add(row.id, f"{name}-1.acme.example", b"", b"", now)
    said = build.mesh(build.node("a/b @é"), clusters=["east"]).json()
    assert (await api.put(URL, json=said, headers=NEW)).status_code == 201
    return api


async def compiled(api: httpx.AsyncClient, database: Database, org: UUID, *more: Document) -> int:
    """The newest revision, after these documents were written one by one, each its own revision."""
    for document in more:
        said = {"spec": document.json()["spec"]}
        answer = await api.put(f"{URL}/virtual-nodes/{document.key.name}", json=said, headers=NEW)
        assert answer.status_code == 201, answer.text
    meta = (await api.get(URL)).json()["meta"]
    with database.tenant(org) as session:
        bring_to_head(session, org, UUID(meta["uid"]), BASE_DOMAIN, datetime.now(UTC), Warm())
    head: int = meta["head"]
    return head


async def test_views_are_listed_and_each_can_be_read(shop: httpx.AsyncClient, database: Database, org: UUID) -> None:
    number = await compiled(shop, database, org)
    asked = f"{URL}/revisions/{number}/snapshot"
    listed = (await shop.get(asked, params={"cluster": "east"})).json()
    assert (listed["revision"], listed["cluster"], listed["inputs"]["definition"]) == (number, "east", number)
    sizes = {each["view"]: each for each in listed["views"]}
    assert {"agent", FRONT, "node/a/b @é@1.40", "gateway/ingress@1.40"} < sizes.keys()
    for view, size in sizes.items():
        read = (await shop.get(asked, params={"cluster": "east", "view": view})).json()
        halves = [each["half"] for each in read["resources"]]
        assert (halves.count("serving"), halves.count("calling")) == (size["serving"], size["calling"])
        assert (read["version"], read["view_version"]) == (listed["version"], size["version"])
        assert all(each["origin"] is not None for each in read["resources"])


async def test_a_resource_is_shown_as_envoy_is_told_and_with_what_made_it(
    shop: httpx.AsyncClient, database: Database, org: UUID
) -> None:
    number = await compiled(shop, database, org)
    answer = await shop.get(f"{URL}/revisions/{number}/snapshot", params={"cluster": "east", "view": FRONT})
    by_name = {(each["type"], each["name"]): each for each in answer.json()["resources"]}
    backend = by_name["cds", "node/blue/8080"]
    assert backend["origin"] == {"kind": "VirtualNode", "name": "blue"}
    assert backend["resource"]["eds_cluster_config"]["eds_config"]["resource_api_version"] == "V3"
    table = by_name["rds", "outbound"]
    assert table["origin"] == {"kind": "VirtualNode", "name": "front"}
    hosts = table["resource"]["virtual_hosts"]
    assert [route["name"] for host in hosts for route in host["routes"]] == [
        "route/router/all",
        "service/colors.local",
        "outbound",
    ]


async def test_what_was_never_compiled_is_said_to_be_so(shop: httpx.AsyncClient, database: Database, org: UUID) -> None:
    async def refusal(number: int) -> tuple[int, str, str]:
        answer = await shop.get(f"{URL}/revisions/{number}/snapshot", params={"cluster": "east"})
        return (*problem(answer), answer.json()["detail"])

    assert await refusal(1) == (404, "not_compiled", "revision 1 is not compiled yet")
    number = await compiled(shop, database, org, build.node("late"), build.node("later"))
    assert number == 3
    assert (await shop.get(f"{URL}/revisions/3/snapshot", params={"cluster": "east"})).status_code == 200
    superseded = "revision 2 was never compiled: revision 3 superseded it before"
    assert await refusal(2) == (404, "not_compiled", superseded)
    assert (await refusal(4))[:2] == (404, "not_found")


@pytest.mark.parametrize(
    "asked",
    [
        {"cluster": "nowhere"},
        {"cluster": "elsewhere"},
        {"cluster": "east", "view": "node/none@1.40"},
        {"cluster": "east", "view": ""},
    ],
    ids=["no such cluster", "not this mesh's", "no such view", "an empty view"],
)
async def test_what_is_not_there_is_not_found(
    shop: httpx.AsyncClient, database: Database, org: UUID, asked: dict[str, str]
) -> None:
    number = await compiled(shop, database, org)
    answer = await shop.get(f"{URL}/revisions/{number}/snapshot", params=asked)
    assert problem(answer) == (404, "not_found")


async def test_a_cluster_must_be_named(shop: httpx.AsyncClient) -> None:
    assert problem(await shop.get(f"{URL}/revisions/1/snapshot")) == (422, "validation_failed")


async def test_another_orgs_snapshot_is_not_there(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient, database: Database, org: UUID
) -> None:
    number = await compiled(shop, database, org)
    answer = await stranger.get(f"{URL}/revisions/{number}/snapshot", params={"cluster": "east"})
    assert problem(answer) == (404, "not_found")
