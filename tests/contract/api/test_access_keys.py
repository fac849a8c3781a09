"""Access keys and accounts: a secret is shown once, a key signs while it is active, and another org's are not there."""

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from isthmus.store import access_keys
from isthmus.store.access_keys import Signer
from tests.conftest import ACCOUNT, OTHER_ACCOUNT
from tests.contract.api.conftest import THERE, Counts, problem, violations
from tests.databases import Copy

KEYS, ACCOUNTS = "/v1/access-keys", "/v1/accounts"
Json = Any


@pytest.fixture
async def key(api: httpx.AsyncClient) -> dict[str, str]:
    """A key as its maker sees it."""
    made: dict[str, str] = (await api.post(KEYS)).json()
    return made


async def signer(app: FastAPI, key: str) -> Signer | None:
    """Who signs with a key, as the App Mesh interface asks."""
    found: Signer | None = await app.state.database.lookup(lambda s: access_keys.verify(s, key, app.state.sealer))
    return found


async def test_a_key_is_made_for_the_orgs_first_account(api: httpx.AsyncClient, app: FastAPI) -> None:
    made = await api.post(KEYS)
    key = made.json()
    assert made.status_code == 201, made.text
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key["access_key_id"])
    assert (key["account"], key["status"]) == (ACCOUNT, "active")
    assert made.headers["location"] == f"{KEYS}/{key['access_key_id']}"
    secret = key.pop("secret_access_key")
    assert (await api.get(made.headers["location"])).json() == key
    assert (await api.get(KEYS)).json() == {"items": [key], "next_page_token": None}
    found = await signer(app, key["access_key_id"])
    assert found is not None
    assert (found.account, str(found.secret)) == (ACCOUNT, secret)


async def test_a_key_is_made_for_another_account_of_the_org(api: httpx.AsyncClient) -> None:
    await api.post(ACCOUNTS, json={"id": "333333333333", "name": "team"})
    made = await api.post(KEYS, json={"account": "333333333333"})
    assert (made.status_code, made.json()["account"]) == (201, "333333333333")


async def test_the_secret_is_in_exactly_one_answer(api: httpx.AsyncClient, key: dict[str, str]) -> None:
    url, secret = f"{KEYS}/{key['access_key_id']}", key["secret_access_key"]
    answers = [
        await api.get(url),
        await api.get(KEYS),
        await api.patch(url, json={"status": "inactive"}),
        await api.patch(url, json={"status": "active"}),
        await api.post(KEYS),
        await api.delete(url, headers=THERE),
        await api.get(url),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 201, 200, 404]
    for answer in answers:
        assert secret not in answer.text
        assert "secret" not in answer.text or answer.status_code == 201


async def test_who_lost_the_answer_gets_it_again_by_its_key(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient, copy: Copy
) -> None:
    named = {"Idempotency-Key": "k1"}
    first, again = await api.post(KEYS, headers=named), await api.post(KEYS, headers=named)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert len((await api.get(KEYS)).json()["items"]) == 1
    assert (await stranger.post(KEYS, headers=named)).json()["account"] == OTHER_ACCOUNT
    with copy.connect() as connection:
        kept = b"".join(body for (body,) in connection.execute("SELECT body FROM idempotency_keys").fetchall())
    assert first.json()["secret_access_key"].encode() not in kept


async def test_a_key_signs_while_it_is_active(api: httpx.AsyncClient, app: FastAPI, key: dict[str, str]) -> None:
    name = key["access_key_id"]
    for status in ("inactive", "inactive", "active", "active"):
        changed = await api.patch(f"{KEYS}/{name}", json={"status": status})
        assert (changed.status_code, changed.json()["status"]) == (200, status)
        assert (await api.get(f"{KEYS}/{name}")).json() == changed.json()
        assert (await signer(app, name) is None) == (status == "inactive")
    assert (await api.delete(f"{KEYS}/{name}", headers=THERE)).json() == {"deleted": name}
    assert await signer(app, name) is None
    assert (await api.get(KEYS)).json()["items"] == [], "the last one may go"
    assert problem(await api.delete(f"{KEYS}/{name}", headers=THERE)) == (404, "not_found")
    assert problem(await api.patch(f"{KEYS}/{name}", json={"status": "active"})) == (404, "not_found")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (428, "precondition_required")),
        ({"If-Match": '"1"'}, (400, "bad_precondition")),
        ({"If-Match": "x"}, (400, "bad_precondition")),
        ({"If-None-Match": "*"}, (400, "bad_precondition")),
    ],
    ids=["none", "a revision", "nonsense", "not there"],
)
async def test_a_key_is_deleted_only_by_who_says_that_it_is_there(
    api: httpx.AsyncClient, key: dict[str, str], headers: dict[str, str], expected: tuple[int, str]
) -> None:
    url = f"{KEYS}/{key['access_key_id']}"
    assert problem(await api.delete(url, headers=headers)) == expected
    assert (await api.get(url)).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"account": "12345"}, [("/account", "not_an_account")]),
        ({"account": "1" * 13}, [("/account", "not_an_account")]),
        ({"account": "١" * 12}, [("/account", "not_an_account")]),  # noqa: RUF001 - digits, but not ours
        ({"account": "11111111111\0"}, [("/account", "not_an_account")]),
        ({"account": "111111111111\n"}, [("/account", "not_an_account")]),
        ({"account": 111111111111}, [("/account", "wrong_type")]),
        ({"account": None}, [("/account", "wrong_type")]),
        ({"name": "ci", "status": "active"}, [("/name", "unknown_field"), ("/status", "unknown_field")]),
        ([], [("", "wrong_type")]),
    ],
    ids=["short", "long", "arabic", "nul", "newline", "number", "null", "unknown", "a list"],
)
async def test_a_new_keys_fields_are_named(
    api: httpx.AsyncClient, body: Json, expected: list[tuple[str, str]], rows: Counts
) -> None:
    before = rows()
    refused = await api.post(KEYS, json=body)
    assert (problem(refused)[0], violations(refused)) == (422, expected)
    assert rows() == before


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/status", "missing")]),
        ({"status": "Active"}, [("/status", "not_one_of")]),
        ({"status": True}, [("/status", "wrong_type")]),
        ({"status": "inactive", "account": OTHER_ACCOUNT}, [("/account", "unknown_field")]),
        ("inactive", [("", "wrong_type")]),
    ],
    ids=["nothing", "no such status", "a flag", "moved elsewhere", "a string"],
)
async def test_a_refused_change_changes_nothing(
    api: httpx.AsyncClient, app: FastAPI, key: dict[str, str], body: Json, expected: list[tuple[str, str]]
) -> None:
    refused = await api.patch(f"{KEYS}/{key['access_key_id']}", json=body)
    assert (problem(refused)[0], violations(refused)) == (422, expected)
    assert await signer(app, key["access_key_id"])


async def test_another_orgs_keys_and_accounts_are_not_there(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient, app: FastAPI, key: dict[str, str], rows: Counts
) -> None:
    before, told = rows(), set()
    for name in (key["access_key_id"], "AKIANONE", "a%2Fb"):
        url = f"{KEYS}/{name}"
        for refused in (
            await stranger.get(url),
            await stranger.patch(url, json={"status": "inactive"}),
            await stranger.delete(url, headers=THERE),
        ):
            assert problem(refused) == (404, "not_found")
            told.add(refused.json()["detail"])
    assert len(told) == 1, "a key that is another org's and one that is not there look the same"
    for account in (ACCOUNT, "999999999999"):
        for refused in (
            await stranger.post(KEYS, json={"account": account}),
            await stranger.get(f"{ACCOUNTS}/{account}"),
        ):
            assert (problem(refused), refused.json()["detail"]) == (
                (404, "not_found"),
                f"there is no account {account}",
            )
    assert (await stranger.get(KEYS)).json()["items"] == []
    assert [item["id"] for item in (await stranger.get(ACCOUNTS)).json()["items"]] == [OTHER_ACCOUNT]
    assert rows() == before
    assert await signer(app, key["access_key_id"])


@pytest.mark.parametrize("path", [f"{KEYS}/%00", f"{ACCOUNTS}/1%00"])
async def test_a_name_with_nul_names_nothing(api: httpx.AsyncClient, path: str) -> None:
    assert violations(await api.get(path)) == [("/path", "nul_character")]


async def test_lists_go_on_where_the_page_before_ended(api: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    for number in range(4):
        await api.post(ACCOUNTS, json={"id": f"33333333333{number}", "name": "team"})
        await api.post(KEYS)
    await api.post(KEYS)
    for url, member in ((KEYS, "access_key_id"), (ACCOUNTS, "id")):
        whole = [item[member] for item in (await api.get(url)).json()["items"]]
        page = (await api.get(url, params={"page_size": 3})).json()
        rest = await api.get(url, params={"page_size": 3, "page_token": page["next_page_token"]})
        assert [item[member] for item in (*page["items"], *rest.json()["items"])] == whole
        assert (len(whole), rest.json()["next_page_token"]) == (5, None)
        stolen = await stranger.get(url, params={"page_token": page["next_page_token"]})
        assert violations(stolen) == [("/query/page_token", "bad_page_token")]


async def test_an_account_is_made_with_its_number_or_one_of_ours(api: httpx.AsyncClient) -> None:
    given = await api.post(ACCOUNTS, json={"id": "012345678901", "name": "Zoë & Söhne"})
    assert (given.status_code, given.json()) == (201, {"id": "012345678901", "name": "Zoë & Söhne"})
    assert (await api.get(given.headers["location"])).json() == given.json()
    named = {"Idempotency-Key": "k1"}
    first, again = [await api.post(ACCOUNTS, json={"name": "any"}, headers=named) for _ in range(2)]
    assert (first.status_code, first.json()) == (201, again.json())
    assert first.headers["location"] == again.headers["location"] == f"{ACCOUNTS}/{first.json()['id']}"
    listed = (await api.get(ACCOUNTS)).json()["items"]
    assert [item["id"] for item in listed] == sorted(["012345678901", ACCOUNT, first.json()["id"]])


async def test_a_taken_account_does_not_tell_whose_it_is(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient, rows: Counts
) -> None:
    before = rows()
    refusals = [await caller.post(ACCOUNTS, json={"id": ACCOUNT, "name": "mine"}) for caller in (api, stranger)]
    assert {problem(refused) for refused in refusals} == {(409, "name_taken")}
    assert {refused.json()["detail"] for refused in refusals} == {f"the account {ACCOUNT} is taken"}
    assert rows() == before


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/name", "missing")]),
        ({"name": " "}, [("/name", "too_short")]),
        ({"name": "x" * 101}, [("/name", "too_long")]),
        ({"name": "a\0b"}, [("/name", "not_printable")]),
        ({"name": "a\nb"}, [("/name", "not_printable")]),
        ({"name": "", "id": "1"}, [("/id", "not_an_account"), ("/name", "too_short")]),
        (
            {"name": 1, "id": 2, "owner": 3},
            [("/id", "wrong_type"), ("/name", "wrong_type"), ("/owner", "unknown_field")],
        ),
        ([], [("", "wrong_type")]),
    ],
    ids=["nothing", "blank", "too long", "nul", "two lines", "both wrong", "mistyped and unknown", "a list"],
)
async def test_a_new_accounts_fields_are_named(
    api: httpx.AsyncClient, body: Json, expected: list[tuple[str, str]], rows: Counts
) -> None:
    before = rows()
    refused = await api.post(ACCOUNTS, json=body)
    assert (problem(refused)[0], violations(refused)) == (422, expected)
    assert rows() == before


async def test_half_a_surrogate_pair_is_no_name(api: httpx.AsyncClient) -> None:
    refused = await api.post(ACCOUNTS, content=rb'{"name": "\ud800"}', headers={"Content-Type": "application/json"})
    assert violations(refused) == [("/name", "not_printable")]
    refused = await api.post(KEYS, content=rb'{"account": "\ud800"}', headers={"Content-Type": "application/json"})
    assert problem(refused)[0] == 422


async def test_accounts_stay(api: httpx.AsyncClient) -> None:
    assert problem(await api.delete(f"{ACCOUNTS}/{ACCOUNT}", headers=THERE)) == (405, "method_not_allowed")
