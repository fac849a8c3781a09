"""Who may call: the code that AWS's clients act on, for each way in which a signature proves nothing."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from isthmus.store.access_keys import AccessKeys, Made
from isthmus.values import Secret
from tests.contract.appmesh.conftest import REGION, Installation, Tenant, client, refused

Json = Any
MESHES = "/v20190125/meshes"


def signed(installation: Installation, key: Made, method: str, path: str, body: bytes = b"", **more: str) -> AWSRequest:
    """A request that botocore signed."""
    headers = {"Content-Type": "application/json"} if body else {}
    request = AWSRequest(method, f"{installation.url}{path}", headers | more, data=body)
    SigV4Auth(Credentials(key.id, str(key.secret)), "appmesh", REGION).add_auth(request)
    return request


def send(request: AWSRequest, **changed: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
    """Send it, with what is changed after it was signed."""
    headers = {**dict(request.headers.items()), **changed.pop("headers", {})}
    given = {"method": request.method, "url": request.url, "content": request.data or None} | changed
    return httpx.request(**given, headers={name: value for name, value in headers.items() if value is not None})


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and exception; every refusal says both, and in a form that clients can read."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"message"}
    assert answer.headers["x-amzn-requestid"]
    return answer.status_code, answer.headers["x-amzn-errortype"]


def test_unsigned(installation: Installation, key: Made) -> None:
    request = signed(installation, key, "GET", MESHES)
    assert send(request).status_code == 200
    assert code(send(request, headers={"Authorization": None})) == (403, "MissingAuthenticationTokenException")
    assert code(httpx.get(installation.url + MESHES, headers={"Authorization": "Bearer x"})) == (
        400,
        "IncompleteSignatureException",
    )


def test_a_bearer_token_of_v1_opens_nothing_here_and_a_signature_nothing_there(
    installation: Installation, key: Made, v1: httpx.Client
) -> None:
    assert code(v1.get(MESHES)) == (400, "IncompleteSignatureException")
    assert send(signed(installation, key, "GET", "/v1/meshes")).status_code == 401


def test_wrong_secret_wrong_key(installation: Installation, key: Made) -> None:
    wrong = client(installation, Made(key.id, Secret("x" * 40)))
    assert refused(wrong.list_meshes)[:2] == ("InvalidSignatureException", 403)
    unknown = client(installation, Made("AKIA" + "A" * 16, key.secret))
    assert refused(unknown.list_meshes)[:2] == ("UnrecognizedClientException", 403)


def test_a_key_that_is_deactivated_is_refused_from_the_next_request_on(
    installation: Installation, tenant: Tenant, key: Made, appmesh: Json
) -> None:
    appmesh.list_meshes()
    with installation.database.tenant(tenant.org) as session:
        AccessKeys(session, tenant.org, installation.sealer).deactivate(key.id)
    assert refused(appmesh.list_meshes)[:2] == ("UnrecognizedClientException", 403)


@pytest.mark.parametrize(("minutes", "good"), [(-6, False), (-4, True), (4, True), (6, False)])
def test_a_clock_that_is_off(
    installation: Installation,
    key: Made,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
    good: bool,  # noqa: FBT001
) -> None:
    then = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_a, **_k: then.replace(tzinfo=None))
    answer = send(signed(installation, key, "GET", MESHES))
    assert (answer.status_code == 200) == good
    if not good:
        assert code(answer) == (403, "InvalidSignatureException")
        assert "Signature" in answer.json()["message"]
        assert answer.headers["date"], "SDKs correct their clock by it"


def test_session_tokens_are_refused(installation: Installation, key: Made) -> None:
    request = AWSRequest("GET", installation.url + MESHES)
    SigV4Auth(Credentials(key.id, str(key.secret), "a session"), "appmesh", REGION).add_auth(request)
    answer = send(request)
    assert code(answer) == (403, "UnrecognizedClientException")
    assert "session tokens are not supported" in answer.json()["message"]


Change = Callable[[AWSRequest], httpx.Response]
ALTERED: dict[str, Change] = {
    "body": lambda r: send(r, content=r.data.replace(b"mine", b"more")),
    "path": lambda r: send(r, url=r.url + "x"),
    "query": lambda r: send(r, url=r.url + "?meshOwner=000000000000"),
    "method": lambda r: send(r, method="DELETE"),
    "host": lambda r: send(r, headers={"Host": "other"}),
    "content type": lambda r: send(r, headers={"Content-Type": "application/json; charset=utf-8"}),
    "an x-amz header more": lambda r: send(r, headers={"X-Amz-Target": "x"}),
    "the body's digest": lambda r: send(r, headers={"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}),
}


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_altered_after_signing_is_refused(installation: Installation, key: Made, what: str) -> None:
    request = signed(installation, key, "PUT", MESHES, json.dumps({"meshName": "mine"}).encode())
    assert code(ALTERED[what](request)) == (403, "InvalidSignatureException")
    assert send(signed(installation, key, "GET", MESHES)).json() == {"meshes": []}


WIRE: list[tuple[str, str, str, bytes, tuple[int, str]]] = [
    ("no such path", "GET", "/v20190125/nothing", b"", (404, "UnknownOperationException")),
    ("no such method", "POST", MESHES, b"{}", (404, "UnknownOperationException")),
    (
        "the plural where it is singular",
        "GET",
        MESHES + "/m/virtualRouters/r/routes",
        b"",
        (404, "UnknownOperationException"),
    ),
    ("not JSON", "PUT", MESHES, b"{", (400, "BadRequestException")),
    ("not UTF-8", "PUT", MESHES, b'{"meshName": "\xff"}', (400, "BadRequestException")),
    ("not an object", "PUT", MESHES, b"[]", (400, "BadRequestException")),
    ("a key twice", "PUT", MESHES, b'{"meshName": "a", "meshName": "b"}', (400, "BadRequestException")),
    ("too deep", "PUT", MESHES, b'{"a":' * 70 + b"1" + b"}" * 70, (400, "BadRequestException")),
    ("nothing", "PUT", MESHES, b"", (400, "BadRequestException")),
    ("a member that is none", "PUT", MESHES, b'{"meshName": "a", "x": 1}', (400, "BadRequestException")),
    ("a label again in the body", "PUT", MESHES + "/m", b'{"meshName": "m", "spec": {}}', (400, "BadRequestException")),
    ("a query that is none", "GET", MESHES + "?x=1", b"", (400, "BadRequestException")),
    ("a query twice", "GET", MESHES + "?limit=1&limit=2", b"", (400, "BadRequestException")),
    ("a limit that is no number", "GET", MESHES + "?limit=1.5", b"", (400, "BadRequestException")),
    ("a label that is not UTF-8", "GET", MESHES + "/%FF", b"", (400, "BadRequestException")),
    ("a name with U+0000", "GET", MESHES + "/%00", b"", (400, "BadRequestException")),
    ("an empty name", "GET", MESHES + "/", b"", (400, "BadRequestException")),
    ("an account that is none", "GET", MESHES + "/m?meshOwner=1", b"", (400, "BadRequestException")),
    (
        "U+0000 in a spec",
        "PUT",
        MESHES + "/m/virtualNodes",
        b'{"virtualNodeName": "n", "spec": {"serviceDiscovery": {"dns": {"hostname": "\\u0000"}}}}',
        (400, "BadRequestException"),
    ),
    ("half a character", "PUT", MESHES, b'{"meshName": "\\ud800"}', (400, "BadRequestException")),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"), [row[1:] for row in WIRE], ids=[row[0] for row in WIRE]
)
def test_what_cannot_be_understood(
    installation: Installation, key: Made, method: str, path: str, body: bytes, expected: tuple[int, str]
) -> None:
    assert code(send(signed(installation, key, method, path, body))) == expected


def test_a_body_has_an_end_and_a_media_type(installation: Installation, key: Made) -> None:
    large = signed(installation, key, "PUT", MESHES, b" " * (1024 * 1024 + 1))
    assert code(send(large)) == (413, "RequestEntityTooLargeException")
    other = signed(installation, key, "PUT", MESHES, b"<a/>", **{"Content-Type": "text/xml"})
    assert code(send(other)) == (415, "UnsupportedMediaTypeException")


def test_null_is_what_was_not_sent(installation: Installation, key: Made) -> None:
    body = {"meshName": "m", "spec": {"egressFilter": None, "serviceDiscovery": {"ipPreference": None}}, "tags": None}
    answer = send(signed(installation, key, "PUT", MESHES, json.dumps(body).encode()))
    assert answer.status_code == 200, answer.text
    assert answer.json()["spec"] == {"serviceDiscovery": {}}
