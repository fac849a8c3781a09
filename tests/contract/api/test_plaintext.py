"""Who calls what in plaintext is listed, and nothing that is still called so becomes strict."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest

from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.topology import Topology
from tests import build
from tests.contract.api.conftest import NEW, THERE

URL = "/v1/meshes/shop"
Json = Any
Report = Callable[..., None]


def pair(node: str = "blue", *instances: str, caller: str = "front", kind: str = "node", port: int = 8080) -> Json:
    """A pair as an agent's summary says it."""
    named = list(instances or (f"{node}-1",))
    return {"caller": caller, "caller_kind": kind, "node": node, "port": port, "instances": named}


@pytest.fixture
async def report(api: httpx.AsyncClient, database: Database, org: UUID) -> Report:
    """A mesh in east and west; and a way for a cluster to say what it has."""
    for cluster in ("east", "west"):
        await api.post("/v1/clusters", json={"name": cluster, "region": "us-east-1"})
    assert (await api.put(URL, json=build.mesh().json(), headers=NEW)).status_code == 201
    mesh = UUID((await api.get(URL)).json()["meta"]["uid"])

    def say(cluster: str, *pairs: Json) -> None:
        with database.tenant(org) as session:
            named = {c.name: c.id for c in Clusters(session, org).list(None, 10)}
            Topology(session, org).summarise(named[cluster], mesh, 1, {"plaintext": list(pairs)})

    return say


def settings(transport: str) -> Json:
    return build.mesh(settings={"transport": transport}).json()


async def strict(api: httpx.AsyncClient, node: str) -> httpx.Response:
    return await api.put(f"{URL}/transports/{node}", json={"mode": "strict"}, headers={"If-None-Match": "*"})


def named(answer: httpx.Response) -> Mapping[str, str]:
    """Where in the request, and the first words of what is wrong."""
    assert (answer.status_code, answer.json()["code"]) == (409, "plaintext_in_use"), answer.text
    return {e["pointer"]: e["detail"].partition(" (")[0] for e in answer.json()["errors"]}


async def test_pairs_are_listed_with_what_to_do_and_who_has_not_reported(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient, report: Report
) -> None:
    report("west", pair("green", port=90), pair("green"), pair("blue", "b-1", "b-2", caller="in", kind="gateway"))
    found = (await api.get(f"{URL}/plaintext")).json()
    assert found["silent_clusters"] == ["east"]
    assert [
        (i["caller"]["kind"], i["caller"]["name"], i["node"], i["port"], i["instances"]) for i in found["items"]
    ] == [
        ("VirtualGateway", "in", "blue", 8080, ["b-1", "b-2"]),
        ("VirtualNode", "front", "green", 90, ["green-1"]),
        ("VirtualNode", "front", "green", 8080, ["green-1"]),
    ]
    assert {i["cluster"] for i in found["items"]} == {"west"}
    assert all("proxy" in i["reason"] and "proxy" in i["remedy"] for i in found["items"])
    assert (await stranger.get(f"{URL}/plaintext")).status_code == 404


async def test_a_list_goes_on_where_a_page_ended(api: httpx.AsyncClient, report: Report) -> None:
    report("west", *(pair("blue", port=port) for port in (80, 8080, 443)))
    token, ports = "", []
    while token is not None:
        page = (
            await api.get(f"{URL}/plaintext", params={"page_size": 2} | ({"page_token": token} if token else {}))
        ).json()
        ports += [item["port"] for item in page["items"]]
        token = page["next_page_token"]
    assert ports == [80, 443, 8080]


async def test_a_mesh_becomes_strict_only_once_nobody_is_called_in_plaintext(
    api: httpx.AsyncClient, report: Report
) -> None:
    report("west", pair("blue"), pair("green", caller="ingress", kind="gateway"))
    answer = await api.put(URL, json=settings("strict"), headers=THERE)
    assert answer.json()["silent_clusters"] == ["east"]
    assert "nothing is known of east yet" in answer.json()["detail"]
    assert sorted(e["detail"].partition(" (")[0] for e in answer.json()["errors"]) == [
        "VirtualGateway ingress calls green:8080 in plaintext in cluster west: green-1",
        "VirtualNode front calls blue:8080 in plaintext in cluster west: blue-1",
    ]
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/settings/transport"}
    assert (await api.get(URL)).json()["settings"] == {}
    report("west")
    assert (await api.put(URL, json=settings("strict"), headers=THERE)).status_code == 200


async def test_nor_while_instances_without_a_proxy_are_called_in_app_meshs_tls(
    api: httpx.AsyncClient, report: Report
) -> None:
    report("west", pair("blue") | {"app_mesh_tls": True}, pair("green"))
    secured, plain = (await api.get(f"{URL}/plaintext")).json()["items"]
    assert secured["reason"].removeprefix(plain["reason"]).startswith(": App Mesh's TLS is no plaintext")
    answer = await strict(api, "blue")
    assert named(answer) == {"/mode": "VirtualNode front calls blue:8080 in App Mesh's TLS in cluster west: blue-1"}
    assert [each["code"] for each in answer.json()["errors"]] == ["called_in_app_mesh_tls"]
    report("west", pair("green"))
    assert (await strict(api, "blue")).status_code == 201


async def test_a_mesh_may_be_strict_from_its_beginning(api: httpx.AsyncClient) -> None:
    assert (await api.put(URL, json={"spec": {}, "settings": {"transport": "strict"}}, headers=NEW)).status_code == 201


async def test_a_node_becomes_strict_only_once_nobody_calls_it_in_plaintext(
    api: httpx.AsyncClient, report: Report
) -> None:
    report("east", pair("blue"))
    report("west")
    assert (await strict(api, "green")).status_code == 201, "the pair is another's"
    answer = await strict(api, "blue")
    assert named(answer) == {"/mode": "VirtualNode front calls blue:8080 in plaintext in cluster east: blue-1"}
    assert answer.json()["silent_clusters"] == []
    report("east")
    assert (await strict(api, "blue")).status_code == 201


async def test_a_node_that_is_permissive_in_a_strict_mesh_stays_so_while_it_is_called(
    api: httpx.AsyncClient, report: Report
) -> None:
    kept = build.mesh(build.transport("blue", "permissive"), settings={"transport": "strict"}).json()
    report("east", pair("blue"))
    assert (await api.put(URL, json=kept, headers=THERE)).status_code == 200, "it does not become strict"
    assert list(named(await api.delete(f"{URL}/transports/blue", headers=THERE))) == [""]
    change = {"op": "put", "document": {"kind": "Transport", "name": "blue", "spec": {"mode": "strict"}}}
    assert list(named(await api.post(f"{URL}/changes", json=[change]))) == ["/0/document/spec/mode"]
    harder = build.mesh(build.transport("blue"), settings={"transport": "strict"}).json()
    at = next(i for i, each in enumerate(harder["resources"]) if each["kind"] == "Transport")
    assert list(named(await api.put(URL, json=harder, headers=THERE))) == [f"/resources/{at}/spec/mode"]
    assert (await api.put(URL, json=settings("permissive"), headers=THERE)).status_code == 200
    assert (await api.delete(f"{URL}/transports/blue", headers=THERE)).status_code == 200, "the mesh is permissive"


async def test_what_the_clusters_say_of_a_node_that_is_strict_already_holds_nothing_up(
    api: httpx.AsyncClient, report: Report
) -> None:
    """A summary that came before the revision that made it strict."""
    assert (await strict(api, "blue")).status_code == 201
    report("east", pair("blue"))
    assert (await api.put(URL, json=settings("strict"), headers=THERE)).status_code == 200
