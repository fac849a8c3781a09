"""Managed certificates by the API: every way to have one, what is refused, and a key that comes in and never out."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI

from isthmus.adapters.sealer import Sealer
from isthmus.pki import foreign
from isthmus.store import certificates, managed_authorities
from isthmus.store.database import Database
from tests.certificates import brought
from tests.conftest import ACCOUNT, OTHER_ACCOUNT
from tests.contract.api.conftest import NEW, THERE, Counts, problem, violations
from tests.databases import Copy

URL, ABOVE = "/v1/certificates", "/v1/certificate-authorities"
Json = Any


def sent(*domains: str) -> dict[str, str]:
    pair = brought(*domains)
    return {"chain": pair.chain.decode(), "private_key": pair.key.decode()}


async def authority(api: httpx.AsyncClient, **more: object) -> Json:
    return (await api.post(ABOVE, json={"made": {"name": "Shop", **more}})).json()


async def requested(api: httpx.AsyncClient, above: Json, *domains: str, **more: object) -> httpx.Response:
    said = {"domains": domains or ["shop.example"], "authority": above["arn"], **more}
    return await api.post(URL, json={"requested": said})


async def imported(api: httpx.AsyncClient) -> Json:
    made = await api.post(URL, json={"imported": sent("shop.example")})
    assert made.status_code == 201, made.text
    return made.json()


async def test_one_is_requested_of_an_authority(api: httpx.AsyncClient) -> None:
    above = await authority(api)
    assert (above["signs"], above["arn"]) == (
        True,
        f"arn:aws:acm-pca:us-east-1:{ACCOUNT}:certificate-authority/{above['id']}",
    )
    made = await requested(api, above, "shop.example", "*.shop.example", life=86400, region="eu-west-1")
    said = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"{URL}/{said['id']}"), made.text
    assert said["arn"] == f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/{said['id']}"
    assert (said["state"], said["chain"], said["authority"], said["life"]) == ("pending", None, above["arn"], 86400)
    assert (await api.get(made.headers["location"])).json() == said
    assert (await api.get(f"{URL}/{said['arn'].replace('/', '%2F')}")).json() == said


async def test_one_is_imported_and_its_key_is_in_no_answer_and_sealed_in_the_store(
    api: httpx.AsyncClient, copy: Copy, database: Database, org: UUID, app: FastAPI
) -> None:
    body = sent("shop.example")
    made = await api.post(URL, json={"imported": body}, headers={"Idempotency-Key": "k"})
    again = await api.post(URL, json={"imported": body}, headers={"Idempotency-Key": "k"})
    said = made.json()
    assert (said["state"], said["domains"], said["chain"]) == ("issued", ["shop.example"], body["chain"])
    assert again.json() == said
    answers = [made, await api.get(URL), await api.get(f"{URL}/{said['id']}"), again]
    assert not any("PRIVATE KEY" in answer.text for answer in answers)
    with copy.connect() as admin:
        held = admin.execute("SELECT id, sealed_key FROM certificates").fetchall()
    ((number, sealed),) = held
    sealer: Sealer = app.state.sealer
    assert sealer.open(sealed, certificates.sealing_context(org, number)).decode() == body["private_key"]


async def test_another_chain_is_imported_under_the_same_arn(api: httpx.AsyncClient) -> None:
    said = await imported(api)
    url = f"{URL}/{said['id']}"
    tag = (await api.get(url)).headers["etag"]
    assert problem(await api.put(url, json=sent()))[0] == 428
    put = await api.put(url, json=sent("new.example"), headers={"If-Match": tag})
    assert (put.status_code, put.json()["domains"], put.json()["generation"]) == (200, ["new.example"], 2), put.text
    assert put.json()["arn"] == said["arn"]
    assert problem(await api.put(url, json=sent(), headers={"If-Match": tag}))[0] == 412


async def test_what_was_requested_is_not_imported_anew(api: httpx.AsyncClient) -> None:
    made = (await requested(api, await authority(api))).json()
    refused = await api.put(f"{URL}/{made['id']}", json=sent(), headers=THERE)
    assert (problem(refused)[0], violations(refused)) == (422, [("", "not_imported")])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, [("", "exactly_one_member")]),
        ({"requested": {"domains": ["a.example"]}}, [("/requested/authority", "missing")]),
        (
            {"requested": {"domains": ["A", "*.a.example", "*.a.example"], "authority": "x"}},
            [("/requested/domains/0", "not_a_domain"), ("/requested/domains/2", "duplicate")],
        ),
        (
            {"requested": {"domains": [], "authority": "x", "life": 1}},
            [("/requested/domains", "too_short"), ("/requested/life", "out_of_range")],
        ),
        ({"acme": {"domains": ["*.a.example"]}}, [("/acme/domains/0", "wildcard")]),
        ({"acme": {"domains": [f"a{n}.example" for n in range(21)]}}, [("/acme/domains", "too_long")]),
        ({"acme": {"domains": ["a.example"], "directory": "http://10.0.0.1/"}}, [("/acme/directory", "not_one_of")]),
        (
            {"imported": {"chain": "x", "private_key": "y", "surplus": 1}},
            [("/imported/surplus", "unknown_field")],
        ),
        ({"imported": {"chain": "x", "private_key": "y"}}, [("/imported/chain", "certificate_refused")]),
        (
            {"requested": {"domains": ["a.example"], "authority": "x", "region": "moon"}},
            [("/requested/region", "pattern_mismatch")],
        ),
    ],
)  # fmt: skip
async def test_what_cannot_be(api: httpx.AsyncClient, said: Json, expected: Json, rows: Counts) -> None:
    before = rows()
    refused = await api.post(URL, json=said)
    assert (problem(refused)[0], violations(refused)) == (422, expected)
    assert rows() == before


async def test_a_key_of_another_certificate_is_refused(api: httpx.AsyncClient) -> None:
    other = foreign.key_pem(ec.generate_private_key(ec.SECP256R1())).decode()
    refused = await api.post(URL, json={"imported": sent() | {"private_key": other}})
    assert violations(refused) == [("/imported/private_key", "not_the_key")]
    assert "BEGIN" not in refused.text


async def test_roots_are_brought_along_to_be_trusted_and_sign_nothing(api: httpx.AsyncClient) -> None:
    own = await authority(api, life=90 * 86400)
    made = await api.post(ABOVE, json={"imported": {"name": "theirs", "roots": own["roots"]}})
    assert (made.status_code, made.json()["signs"], made.json()["roots"]) == (201, False, own["roots"])
    refused = await requested(api, made.json())
    assert violations(refused) == [("/requested/authority", "no_key")]
    bad = await api.post(ABOVE, json={"imported": {"name": "x", "roots": sent()["chain"]}})
    assert violations(bad) == [("/imported/roots", "not_a_ca")]
    assert (await api.get(f"{ABOVE}/{made.json()['id']}")).json() == made.json()


async def test_an_authoritys_key_opens_for_that_authority_only(
    api: httpx.AsyncClient, copy: Copy, org: UUID, app: FastAPI
) -> None:
    made = await authority(api)
    with copy.connect() as admin:
        ((number, sealed),) = admin.execute("SELECT id, sealed_key FROM certificate_authorities").fetchall()
    assert str(number) == made["id"]
    assert app.state.sealer.open(sealed, managed_authorities.sealing_context(org, number))


async def test_lists_come_in_pages(api: httpx.AsyncClient) -> None:
    made = sorted([(await imported(api))["arn"] for _ in range(3)])
    page = (await api.get(URL, params={"page_size": 2})).json()
    rest = (await api.get(URL, params={"page_size": 2, "page_token": page["next_page_token"]})).json()
    assert [each["arn"] for each in (*page["items"], *rest["items"])] == made
    above = await authority(api)
    assert (await api.get(ABOVE)).json()["items"] == [above]


async def test_another_orgs_are_not_there(api: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    above, made = await authority(api), await imported(api)
    for url in (f"{URL}/{made['id']}", f"{ABOVE}/{above['id']}"):
        answers = [await stranger.get(url), await stranger.delete(url, headers=THERE)]
        assert [problem(answer)[0] for answer in answers] == [404, 404]
    assert problem(await stranger.put(f"{URL}/{made['id']}", json=sent(), headers=THERE))[0] == 404
    assert problem(await requested(stranger, above))[0] == 404
    theirs = {"made": {"name": "x", "account": ACCOUNT}}
    assert problem(await stranger.post(ABOVE, json=theirs))[0] == 404
    assert (await stranger.get(URL)).json()["items"] == []
    assert (await stranger.post(ABOVE, json={"made": {"name": "x", "account": OTHER_ACCOUNT}})).status_code == 201


async def test_one_that_a_mesh_names_stays_and_one_that_nobody_names_goes(api: httpx.AsyncClient) -> None:
    made = await imported(api)
    tls = {"mode": "STRICT", "certificate": {"acm": {"certificateArn": made["arn"]}}}
    spec = {"listeners": [{"portMapping": {"port": 443, "protocol": "http"}, "tls": tls}]}
    await api.put("/v1/meshes/shop", json={"spec": {}}, headers=NEW)
    await api.put("/v1/meshes/shop/virtual-gateways/edge", json={"spec": spec}, headers=NEW)
    url = f"{URL}/{made['id']}"
    assert problem(await api.delete(url, headers=THERE)) == (409, "in_use")
    await api.delete("/v1/meshes/shop/virtual-gateways/edge", headers=THERE)
    assert (await api.delete(url, headers=THERE)).json() == {"deleted": made["id"]}
    assert (await api.get(url)).status_code == 404


async def test_a_mesh_may_name_what_is_not_there_and_is_told(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient, copy: Copy
) -> None:
    theirs = (await imported(stranger))["arn"]
    listing = {"gateway": "edge", "port": 443, "certificates": [theirs]}
    spec = {"listeners": [{"portMapping": {"port": 443, "protocol": "http"}}]}
    resources = [
        {"kind": "VirtualGateway", "name": "edge", "spec": spec},
        {"kind": "ListenerCertificates", "name": "edge", "spec": listing},
    ]
    put = await api.put("/v1/meshes/shop", json={"spec": {}, "resources": resources}, headers=NEW)
    assert put.status_code == 201, put.text
    assert put.json()["meta"]["status"]["ineffective"] is None
    with copy.connect() as admin:  # as if it had been compiled
        admin.execute("UPDATE meshes SET target = head")
    reason = f"there is no managed certificate or authority {theirs} here"
    told = {"pointer": "/spec/certificates/0", "reason": reason}
    document = (await api.get("/v1/meshes/shop/listener-certificates/edge")).json()
    assert document["meta"]["status"]["ineffective"] == [told]
    whole = (await api.get("/v1/meshes/shop")).json()["meta"]["status"]["ineffective"]
    assert whole == [{"kind": "ListenerCertificates", "key": "edge"} | told]


async def test_a_listeners_further_certificates_are_one_list(api: httpx.AsyncClient) -> None:
    await api.put("/v1/meshes/shop", json={"spec": {}}, headers=NEW)
    listener = {"portMapping": {"port": 443, "protocol": "http"}}
    await api.put("/v1/meshes/shop/virtual-gateways/edge", json={"spec": {"listeners": [listener]}}, headers=NEW)
    url = "/v1/meshes/shop/listener-certificates"
    said = {"gateway": "edge", "port": 443, "certificates": ["arn:aws:acm:us-east-1:111122223333:certificate/a"]}
    assert (await api.put(f"{url}/one", json=said, headers=NEW)).status_code == 201
    assert violations(await api.put(f"{url}/two", json=said, headers=NEW)) == [("/port", "duplicate")]
    both = said | {"node": "n"}
    assert ("", "exactly_one_member") in violations(await api.put(f"{url}/two", json=both, headers=NEW))
    nowhere = {**said, "gateway": "none"}
    assert violations(await api.put(f"{url}/two", json=nowhere, headers=NEW)) == [("/gateway", "dangling_reference")]


async def test_an_imported_one_says_when_it_ends(api: httpx.AsyncClient, copy: Copy) -> None:
    said = await imported(api)
    assert (said["warning"], said["renew_at"]) == (None, None)
    for days, warning, state in ((50, 60, "issued"), (20, 30, "issued"), (3, 7, "issued"), (-1, None, "expired")):
        with copy.connect() as admin:
            admin.execute("UPDATE certificates SET not_after = clock_timestamp() + make_interval(days => %s)", [days])
        now = (await api.get(f"{URL}/{said['id']}")).json()
        assert (now["warning"], now["state"]) == (warning, state)


async def test_the_contract_says_what_is_taken_and_given(api: httpx.AsyncClient) -> None:
    schemas = (await api.get("/openapi.json")).json()["components"]["schemas"]
    assert {"NewCertificate", "NewAuthority", "Pair", "Certificate", "CertificateAuthority"} <= schemas.keys()
    assert "private_key" in schemas["Pair"]["properties"]
    assert "private_key" not in json.dumps(schemas["Certificate"])
    assert set(await imported(api)) == set(schemas["Certificate"]["required"])
    assert set(await authority(api)) == set(schemas["CertificateAuthority"]["required"])
