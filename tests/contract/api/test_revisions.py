"""A revision tells how live it is: per cluster, with who has not answered and who refused, in Envoy's own words."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from isthmus.store import tables
from isthmus.store.database import Database
from isthmus.store.deliveries import Deliveries, record
from isthmus.store.replicas import Replicas
from isthmus.store.rollouts import Rollouts
from isthmus.values import AgentId
from isthmus.xds.snapshot import NOTHING, Phase
from tests.contract.api.conftest import NEW

URL = "/v1/meshes/shop"
NACK = {"proxy": "a-2", "type": "rds", "name": "inbound/80", "message": "no such filter", "version": "v1"}


@pytest.fixture
async def shop(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """A mesh on two clusters."""
    resources: list[dict[str, Any]] = [{"kind": "Attachment", "name": name, "spec": {}} for name in ("east", "west")]
    for attached in resources:
        await api.post("/v1/clusters", json={"name": attached["name"], "region": "us-east-1"})
    assert (await api.put(URL, json={"spec": {}, "resources": resources}, headers=NEW)).status_code == 201
    return api


def said(connected: int, acked: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What a replica says of a view."""
    nothing = {"lost": 0, "stragglers": [], "nacks": [], "last_ack": 0.0}
    return {"version": "v1", "connected": connected, "acked": acked} | nothing | more


def offered(database: Database, org: UUID, clusters: dict[str, Any], mesh: UUID, answers: dict[str, Any]) -> None:
    """Offer revision 1 to both clusters, whose agents say `answers` of it."""
    now = datetime.now(UTC)
    with database.tenant(org) as session:
        Rollouts(session, org, mesh).start(1, {"clusters": {}})
        for name, views in answers.items():
            cluster = UUID(clusters[name]["id"])
            agent, replicas = AgentId(org, cluster, "a1"), Replicas(session, org)
            replicas.enrol(agent, b"key", now + timedelta(days=1))
            replicas.beat(replicas.known(agent), [], 1, 2)
            delivery = Deliveries(session, org, mesh).offer(cluster, 1, Phase.SHIFT, NOTHING)
            for view, counts in views.items():
                record(delivery, "a1", view, counts, now)
        session.get_one(tables.Revision, (org, mesh, 1)).acked_at = now


async def test_a_revision_is_counted_proxy_by_proxy(shop: httpx.AsyncClient, database: Database, org: UUID) -> None:
    clusters = {c["name"]: c for c in (await shop.get("/v1/clusters")).json()["items"]}
    mesh = UUID((await shop.get(URL)).json()["meta"]["uid"])
    refused = said(3, 1, stragglers=["blue-1"], nacks=[NACK, NACK | {"name": "ours no more"}])
    taken = said(2, 2, last_ack=1.0)
    offered(database, org, clusters, mesh, {"east": {"node/a@1.40": taken}, "west": {"node/a@1.40": refused}})
    answer = (await shop.get(f"{URL}/revisions/1")).json()
    assert answer["proxies"] == {"connected": 5, "acked": 3, "nacked": 1, "lost": 0, "deferred": 0, "unproven": 0}
    assert [(c["cluster"], c["verdict"], c["acked"], c["connected"]) for c in answer["clusters"]] == [
        ("east", "acked", 2, 2),
        ("west", "nacked", 1, 3),
    ]
    assert answer["stragglers"] == [{"cluster": "west", "proxy": "blue-1"}]
    whose = {"cluster": "west", "view": "node/a@1.40"}
    assert answer["nacks"] == [
        whose | NACK | {"resource": {"kind": "VirtualNode", "name": "a"}},
        whose | NACK | {"name": "ours no more", "resource": None},
    ]
    assert answer["clusters"][0]["views"] == {"node/a@1.40": "v1"}
    assert answer["times"].keys() == {"accepted", "compiled", "preflighted", "offered", "sent", "acked"}
    assert answer["commit_to_last_ack_ms"] > 0
    rollout = (await shop.get(f"{URL}/rollouts/1")).json()
    assert (rollout["revision"], rollout["state"], len(rollout["deliveries"])) == (1, "running", 2)
    agents = (await shop.get("/v1/clusters/east")).json()["agents"]
    assert [(a["replica"], a["wardens"], a["proxies"], a["evicted"]) for a in agents] == [("a1", 1, 2, False)]


async def test_revisions_are_listed_newest_first_in_pages(shop: httpx.AsyncClient) -> None:
    for i in range(3):
        await shop.put(f"{URL}/virtual-nodes/n{i}", json={"spec": {}}, headers=NEW)
    first = await shop.get(f"{URL}/revisions?page_size=3")
    assert [r["number"] for r in first.json()["items"]] == [4, 3, 2]
    second = await shop.get(first.links["next"]["url"])
    assert ([r["number"] for r in second.json()["items"]], second.json()["next_page_token"]) == ([1], None)
