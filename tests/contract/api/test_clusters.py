"""A cluster is registered with its root; its join token is shown once; while a mesh uses it, it stays."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from isthmus.pki import link_ca
from isthmus.store.database import Database
from isthmus.store.join_tokens import redeem
from tests.contract.api.conftest import NEW, THERE, Counts, problem, violations

EAST = {"name": "east", "region": "us-east-1"}


@pytest.fixture
async def east(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """The API with a cluster and a mesh."""
    assert (await api.post("/v1/clusters", json=EAST)).status_code == 201
    assert (await api.put("/v1/meshes/shop", json={"spec": {}}, headers=NEW)).status_code == 201
    return api


async def test_a_cluster_has_a_trust_domain_that_is_never_used_again(api: httpx.AsyncClient) -> None:
    made = await api.post("/v1/clusters", json=EAST)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/clusters/east"), made.text
    assert made.json()["trust_domain"] == "east-1.acme.isthmus.internal"
    assert (made.json()["network"], made.json()["state"], made.json()["agents"]) == ("east", "never", [])
    assert (await api.get(made.headers["location"])).json() == made.json()
    assert (await api.get("/v1/clusters")).json()["items"] == [made.json()]
    assert problem(await api.post("/v1/clusters", json=EAST)) == (409, "name_taken")
    assert (await api.delete("/v1/clusters/east", headers=THERE)).json() == {"deleted": "east"}
    assert problem(await api.get("/v1/clusters/east")) == (404, "not_found")
    again = await api.post("/v1/clusters", json=EAST)
    assert again.json()["trust_domain"] == "east-2.acme.isthmus.internal"


@pytest.mark.usefixtures("hub")
async def test_a_join_token_comes_with_the_command_that_uses_it(
    east: httpx.AsyncClient, keys: Mapping[str, Path], database: Database
) -> None:
    made = await east.post("/v1/clusters/east/join-tokens", json={})
    assert made.status_code == 201, made.text
    token, pin = made.json()["token"], made.json()["hub_ca"]
    assert made.json()["command"] == (
        f"isthmus agent --hub hub:2 --hub-ca {pin} --join-token {token} --data-dir ./east-agent"
    )
    assert re.fullmatch(r"ist_join_[0-9A-Za-z]{36}", token)
    assert pin == link_ca.fingerprint(x509.load_pem_x509_certificate(keys["link_ca_cert"].read_bytes()))
    with database.system() as session:
        assert redeem(session, hashlib.sha256(token.encode()).digest()) is not None
    assert (await east.post("/v1/clusters/east/join-tokens")).status_code == 201, "no body is no body"
    assert problem(await east.post("/v1/clusters/none/join-tokens")) == (404, "not_found")
    assert violations(await east.post("/v1/clusters/east/join-tokens", json={"ttl": 1})) == [("/ttl", "unknown_field")]


async def test_without_a_hub_there_is_no_token(east: httpx.AsyncClient, rows: Counts) -> None:
    before = rows()
    refused = await east.post("/v1/clusters/east/join-tokens")
    assert problem(refused) == (503, "unavailable")
    assert refused.json()["retryable"]
    assert rows() == before


async def test_only_a_clusters_own_org_can_attach_it_and_not_another(
    east: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await stranger.post("/v1/clusters", json={"name": "theirs", "region": "us-east-1"})
    url = "/v1/meshes/shop/clusters"
    for name in ("none", "theirs"):
        refused = await east.put(f"{url}/{name}", json={"spec": {}}, headers=NEW)
        assert (problem(refused), violations(refused)) == (
            (422, "validation_failed"),
            [("/name", "dangling_reference")],
        )
    whole = {"spec": {}, "resources": [{"kind": "Attachment", "name": "theirs", "spec": {}}]}
    refused = await east.put("/v1/meshes/shop", json=whole, headers=THERE)
    assert violations(refused) == [("/resources/0/name", "dangling_reference")]
    assert (await east.put(f"{url}/east", json={"spec": {}}, headers=NEW)).status_code == 201


async def test_an_attached_cluster_stays_until_it_is_detached(east: httpx.AsyncClient) -> None:
    attachment = "/v1/meshes/shop/clusters/east"
    await east.put(attachment, json={"spec": {}}, headers=NEW)
    refused = await east.delete("/v1/clusters/east", headers=THERE)
    assert (problem(refused), refused.json()["used_by"]) == ((409, "in_use"), ["Mesh shop"])
    await east.delete(attachment, headers=THERE)
    assert problem(await east.delete("/v1/clusters/east")) == (428, "precondition_required")
    assert problem(await east.delete("/v1/clusters/east", headers={"If-Match": '"1"'})) == (400, "bad_precondition")
    assert (await east.delete("/v1/clusters/east", headers=THERE)).status_code == 200


async def test_a_node_may_be_placed_only_where_the_mesh_is(east: httpx.AsyncClient) -> None:
    await east.put("/v1/meshes/shop/virtual-nodes/a", json={"spec": {}}, headers=NEW)
    placement = "/v1/meshes/shop/placements/a"
    refused = await east.put(placement, json={"spec": {"clusters": ["east"]}}, headers=NEW)
    assert violations(refused) == [("/spec/clusters/0", "dangling_reference")]
    await east.put("/v1/meshes/shop/clusters/east", json={"spec": {}}, headers=NEW)
    assert (await east.put(placement, json={"spec": {"clusters": ["east"]}}, headers=NEW)).status_code == 201
