"""A virtual node that nobody has bound says how it is found, from where, and what came of it."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from google.protobuf.json_format import MessageToDict

from gateway.proto import link_pb2 as link
from isthmus.cli.get import found
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.topology import Topology
from tests import build
from tests.contract.api.conftest import NEW

URL = "/v1/meshes/shop"
RESOLVED = {"source": "dns", "asked": "blue.example", "addresses": ["192.0.2.1"], "stale": False, "error": ""}
STALE = RESOLVED | {"stale": True, "error": "no answer for blue.example within 5 s"}


@pytest.fixture
async def shop(api: httpx.AsyncClient) -> httpx.AsyncClient:
    for cluster in ("east", "west"):
        assert (await api.post("/v1/clusters", json={"name": cluster, "region": "us-east-1"})).status_code == 201
    named = build.node("blue", serviceDiscovery={"dns": {"hostname": "blue.example"}})
    clusters = (build.attachment("east"), build.attachment("west"))
    definition = build.definition(build.node("front"), named, *clusters)
    assert (await api.put(URL, json=definition.json(), headers=NEW)).status_code == 201
    return api


class Clusterwise:
    """What clusters say of the mesh, as the hub writes it down."""

    def __init__(self, database: Database, org: UUID, mesh: UUID) -> None:
        self._database, self._org, self._mesh = database, org, mesh

    def say(self, cluster: str, bound: list[str], *resolved: Any) -> None:  # noqa: ANN401 - JSON
        listed = [link.Resolved(node="blue", **each) for each in resolved]
        summary = link.Summary(bound=bound, resolved=listed)
        content = MessageToDict(summary, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        with self._database.tenant(self._org) as session:
            place = Clusters(session, self._org).get(cluster)
            Topology(session, self._org).summarise(place.id, self._mesh, 1, content)


@pytest.fixture
async def clusters(shop: httpx.AsyncClient, database: Database, org: UUID) -> Clusterwise:
    return Clusterwise(database, org, UUID((await shop.get(URL)).json()["meta"]["uid"]))


async def status(api: httpx.AsyncClient, node: str = "blue") -> Any:  # noqa: ANN401 - JSON
    answer = (await api.get(f"{URL}/virtual-nodes/{node}")).json()
    listed = (await api.get(f"{URL}/virtual-nodes")).json()["items"]
    assert next(each for each in listed if each["name"] == node) == answer
    return answer["meta"]["status"].get("unbound")


async def test_before_any_cluster_has_spoken_nothing_is_known(shop: httpx.AsyncClient, clusters: Clusterwise) -> None:
    assert await status(shop) is None
    clusters.say("east", ["front"])
    assert await status(shop) == {"clusters": []}, "unbound, and nobody asks for it"


async def test_each_cluster_that_asks_says_what_came_of_it(shop: httpx.AsyncClient, clusters: Clusterwise) -> None:
    clusters.say("west", [], STALE)
    clusters.say("east", ["front"], RESOLVED)
    expected = {"clusters": [{"cluster": "east"} | RESOLVED, {"cluster": "west"} | STALE]}
    assert await status(shop) == expected
    assert await status(shop, "front") is None, "it says no service discovery"
    (blue,) = (each for each in (await shop.get(f"{URL}/virtual-nodes")).json()["items"] if each["name"] == "blue")
    assert found(blue) == (
        "east: dns blue.example → 192.0.2.1; "
        "west: dns blue.example → 192.0.2.1 (stale), no answer for blue.example within 5 s"
    )


async def test_a_node_that_one_cluster_has_bound_is_bound(shop: httpx.AsyncClient, clusters: Clusterwise) -> None:
    clusters.say("east", [], RESOLVED)
    clusters.say("west", ["blue"])
    assert await status(shop) is None
    clusters.say("west", [])
    assert await status(shop) == {"clusters": [{"cluster": "east"} | RESOLVED]}


async def test_a_cluster_that_no_longer_takes_part_says_nothing(shop: httpx.AsyncClient, clusters: Clusterwise) -> None:
    clusters.say("east", [], RESOLVED)
    clusters.say("west", ["blue"])
    assert (await shop.delete(f"{URL}/clusters/west", headers={"If-Match": "*"})).status_code == 200
    assert await status(shop) == {"clusters": [{"cluster": "east"} | RESOLVED]}
