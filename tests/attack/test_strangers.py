"""Another org's things are not there, whatever operation asks for them.

Every operation of the contract, asked with a victim's names, answers as for names that nobody has, and writes nothing.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.certificates import brought
from tests.conftest import ACCOUNT
from tests.contract.api.conftest import NEW, THERE, Counts

CANARY = "canary"
FULL = f"{ACCOUNT}:us-east-1:"
LISTENING = {"listeners": [{"portMapping": {"port": 80, "protocol": "http"}}]}
TARGET = {"weightedTargets": [{"virtualNode": CANARY, "weight": 1}]}
ENTERED = {"target": {"virtualService": {"virtualServiceName": CANARY}}}
SPECS: dict[str, dict[str, Any]] = {
    "Attachment": {},
    "VirtualNode": LISTENING,
    "VirtualRouter": LISTENING,
    "VirtualGateway": LISTENING,
    "VirtualService": {"provider": {"virtualNode": {"virtualNodeName": CANARY}}},
    "Route": {"httpRoute": {"match": {"prefix": "/"}, "action": TARGET}},
    "GatewayRoute": {"httpRoute": {"match": {"prefix": "/"}, "action": ENTERED}},
    "Placement": {"clusters": [CANARY]},
    "Transport": {"mode": "strict"},
    "Binding": {"node": CANARY, "match": {"file": CANARY}},
    "ListenerCertificates": {"node": CANARY, "port": 80, "certificates": [f"arn:aws:acm:us-east-1:{ACCOUNT}:{CANARY}"]},
}
"""A valid spec of every kind, all named alike."""


def sent(domain: str) -> dict[str, str]:
    """A certificate, as it is imported."""
    pair = brought(domain)
    return {"chain": pair.chain.decode(), "private_key": pair.key.decode()}


@pytest.fixture
async def victim(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """An org with one of everything, all of the same name, but for what we name."""
    assert (await api.post("/v1/clusters", json={"name": CANARY, "region": "us-east-1"})).status_code == 201
    assert (await api.post("/v1/access-keys")).status_code == 201
    above = await api.post("/v1/certificate-authorities", json={"made": {"name": CANARY}})
    assert above.status_code == 201, above.text
    assert (await api.post("/v1/certificates", json={"imported": sent(f"{CANARY}.example")})).status_code == 201
    resources = [document(kind, CANARY) for kind in SPECS]
    made = await api.put(f"/v1/meshes/{CANARY}", json={"spec": {}, "resources": resources}, headers=NEW)
    assert made.status_code == 201, made.text
    return api


def document(kind: str, name: str) -> dict[str, Any]:
    """A document, below a parent of the same name where its kind has one."""
    parent = {"parent": name} if kind in ("Route", "GatewayRoute") else {}
    return {"kind": kind, "name": name, "spec": SPECS[kind]} | parent


def body(operation: str) -> Any:  # noqa: ANN401 - JSON
    """What the operation takes."""
    if operation == "changeMesh":
        return [{"op": "put", "document": document("VirtualNode", "mine")}]
    if operation == "changeAccessKey":
        return {"status": "inactive"}
    if operation == "replaceCertificate":
        return sent("mine.example")
    kind = operation.removeprefix("put")
    return {"spec": SPECS.get(kind, {})} if operation.startswith("put") else {}


def attempts(contract: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """(operation, method, path with `{mesh}`, `{name}` and ours, precondition) of all that names a thing."""
    for path, operations in contract["paths"].items():
        if "{" not in path:
            continue
        for method, operation in operations.items():
            named = re.sub(r"{(name|parent|cluster)}", "{name}", path).replace("{number}", "1")
            asked = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query" and p.get("required")]
            named += "?" * bool(asked) + "&".join(f"{name}={{name}}" for name in asked)
            for condition in (NEW, THERE) if method == "put" else (THERE,):
                yield operation["operationId"], method, named, condition


async def test_a_strangers_names_are_as_if_nobody_had_them(
    victim: httpx.AsyncClient, stranger: httpx.AsyncClient, rows: Counts, hub: None
) -> None:
    contract = (await victim.get("/openapi.json")).json()
    (key,) = [item["access_key_id"] for item in (await victim.get("/v1/access-keys")).json()["items"]]
    (authority,) = [item["id"] for item in (await victim.get("/v1/certificate-authorities")).json()["items"]]
    (certificate,) = [item["id"] for item in (await victim.get("/v1/certificates")).json()["items"]]
    owners = [
        (CANARY, ACCOUNT, key, authority, certificate),
        ("nobody", "999999999999", "AKIANOBODY", str(UUID(int=1)), str(UUID(int=2))),
    ]
    before, tried = rows(), 0
    for operation, method, path, condition in attempts(contract):
        for prefix in ("", FULL):
            if (operation, condition, prefix) == ("putMesh", NEW, ""):
                continue  # makes a mesh of the stranger's own
            answers = []
            for name, account, access_key, signer, shown in owners:
                ids = {"access_key": access_key, "authority": signer, "certificate": shown}
                url = path.format(mesh=prefix + name, name=name, account=account, **ids)
                sent = body(operation) if method in ("put", "post", "patch") else None
                answers.append(await stranger.request(method.upper(), url, json=sent, headers=condition))
            theirs, nobodys = answers
            assert theirs.status_code in ((404, 412) if operation == "putMesh" else (404,)), (
                f"{operation}: {theirs.text}"
            )
            assert _told(theirs, *owners) == _told(nobodys, *owners), operation
            tried += 1
    assert rows() == before
    assert tried > 90


def _told(answer: httpx.Response, *owners: Iterable[str]) -> str:
    """What a refusal says, but for its own id and the names that were asked for."""
    said = re.sub(r"req_[0-9a-f]{32}", "", answer.text)
    for name in chain(*owners):
        said = said.replace(name, "…")
    return said


@pytest.mark.usefixtures("victim")
async def test_a_strangers_lists_are_empty(stranger: httpx.AsyncClient) -> None:
    for path in ("/v1/meshes", "/v1/clusters", "/v1/access-keys"):
        assert (await stranger.get(path)).json() == {"items": [], "next_page_token": None}


async def test_one_name_may_be_two_orgs(victim: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    url = f"/v1/meshes/{CANARY}"
    mine = await stranger.put(url, json={"spec": {}}, headers=NEW)
    assert (mine.status_code, mine.json()["resources"]) == (201, [])
    assert (await stranger.delete(url, headers=THERE)).status_code == 200
    assert len((await victim.get(url)).json()["resources"]) == len(SPECS)


async def test_a_strangers_cluster_cannot_be_attached(victim: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    await stranger.put("/v1/meshes/mine", json={"spec": {}}, headers=NEW)
    refused = await stranger.put(f"/v1/meshes/mine/clusters/{CANARY}", json={"spec": {}}, headers=NEW)
    assert refused.status_code == 422
    assert len((await victim.get("/v1/clusters")).json()["items"]) == 1
