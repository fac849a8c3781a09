"""A signature holds for exactly what was signed; botocore's signer, which is AWS's own, is the reference."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import IsthmusError
from isthmus.sigv4 import (
    EMPTY_SHA256,
    Headers,
    Incomplete,
    Refused,
    Target,
    UnknownKey,
    Unsigned,
    body_sha256,
    claim_of,
    holds,
    string_to_sign,
)
from isthmus.values import Secret

KEY, SECRET = "AKIAABCDEFGHIJKLMNOP", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def signed(
    method: str, path: str, query: str = "", body: bytes = b"", secret: str = SECRET, service: str = "appmesh"
) -> tuple[Headers, datetime]:
    """The headers of a request that botocore signed now, and that time."""
    request = AWSRequest(method, f"http://mesh.test:8080{path}" + (f"?{query}" if query else ""), data=body)
    if body:
        request.headers["Content-Type"] = "application/json"
    SigV4Auth(Credentials(KEY, secret), service, "eu-west-1").add_auth(request)
    headers = [("host", "mesh.test:8080"), *((name.lower(), value) for name, value in request.headers.items())]
    return headers, datetime.strptime(dict(headers)["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def true(method: str, path: str, query: str, body: bytes, headers: Headers, now: datetime) -> bool:
    """Whether the request is signed by `SECRET`; Refused where that need not even be calculated."""
    claim = claim_of(headers, "appmesh", now)
    target = Target(method, path, query, body_sha256(headers, body))
    return holds(SECRET, claim, string_to_sign(claim, target, headers))


SEGMENT = st.text("aZ9-._~%2F!*'()", min_size=1, max_size=12).filter(lambda s: s not in (".", ".."))
PAIR = st.builds("{}={}".format, st.text("abz-._~%2F", min_size=1, max_size=6), st.text("aZ9-._~%3A", max_size=6))


@given(st.lists(SEGMENT, min_size=1, max_size=6), st.lists(PAIR, max_size=4), st.binary(max_size=40))
def test_what_botocore_signs_holds(segments: list[str], pairs: list[str], body: bytes) -> None:
    path, query = "/" + "/".join(segments), "&".join(pairs)
    headers, now = signed("PUT", path, query, body)
    assert true("PUT", path, query, body, headers, now)
    assert true("PUT", path, "&".join(reversed(pairs)), body, headers, now), "the order of query members is not signed"
    assert not true("PUT", path + "x", query, body, headers, now)
    assert not true("PUT", path, query, body + b"x", headers, now)
    assert not true("GET", path, query, body, headers, now)


def without(name: str) -> Callable[[Headers], Headers]:
    """The headers but one."""
    return lambda headers: [(n, v) for n, v in headers if n != name]


def replaced(name: str, old: str, new: str) -> Callable[[Headers], Headers]:
    """The headers with one changed."""
    return lambda headers: [(n, v.replace(old, new) if n == name else v) for n, v in headers]


def also(name: str, value: str) -> Callable[[Headers], Headers]:
    """The headers and one more."""
    return lambda headers: [*headers, (name, value)]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (without("authorization"), Unsigned),
        (also("authorization", "AWS4-HMAC-SHA256 x"), Incomplete),
        (replaced("authorization", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), Incomplete),
        (replaced("authorization", "Signature=", "Signature=A"), Incomplete),
        (replaced("authorization", "host;x-amz-date", "x-amz-date;host"), Incomplete),
        (replaced("authorization", "host;x-amz-date", "host"), Refused),
        (replaced("authorization", "host;x-amz-date", "host;x-amz-date;x-more"), Refused),
        (replaced("authorization", "/appmesh/", "/s3/"), Refused),
        (replaced("authorization", "/20", "/19"), Refused),
        (without("x-amz-date"), Incomplete),
        (also("x-amz-date", "20200101T000000Z"), Incomplete),
        (replaced("x-amz-date", "T", " "), Incomplete),
        (also("x-amz-security-token", "t"), UnknownKey),
        (also("x-amz-meta", "t"), Refused),
    ],
    ids=[
        "no signature",
        "two signatures",
        "another algorithm",
        "an upper-case signature",
        "headers out of order",
        "the time is not signed",
        "a signed header is missing",
        "another service",
        "another day",
        "no time",
        "two times",
        "a time that is none",
        "a session token",
        "an unsigned x-amz header",
    ],
)
def test_a_claim_that_cannot_be_whole_is_refused(
    change: Callable[[Headers], Headers], error: type[IsthmusError]
) -> None:
    headers, now = signed("GET", "/v20190125/meshes")
    with pytest.raises(error) as refused:
        claim_of(change(headers), "appmesh", now)
    assert refused.type is error


@pytest.mark.parametrize(("minutes", "fresh"), [(-6, False), (-4.9, True), (4.9, True), (5.1, False)])
def test_a_clock_may_be_five_minutes_off(minutes: float, fresh: bool) -> None:  # noqa: FBT001
    headers, now = signed("GET", "/v20190125/meshes")
    if fresh:
        assert true("GET", "/v20190125/meshes", "", b"", headers, now + timedelta(minutes=minutes))
    else:
        with pytest.raises(Refused, match=r"Signature (expired|not yet current)"):
            claim_of(headers, "appmesh", now + timedelta(minutes=minutes))


@pytest.mark.parametrize("letter", ["\x85", "\xa0", "\x1f", "\x0c"])
@pytest.mark.parametrize("name", ["authorization", "host", "x-amz-date", "content-type"])
def test_only_spaces_and_tabs_around_a_value_are_nobodys(name: str, letter: str) -> None:
    headers, now = signed("PUT", "/a", body=b"{}")
    assert true("PUT", "/a", "", b"{}", [(n, f" \t{v}\t " if n == name else v) for n, v in headers], now)
    for pattern in ("{}" + letter, letter + "{}"):
        changed = [(n, pattern.format(v) if n == name else v) for n, v in headers]
        try:
            held = true("PUT", "/a", "", b"{}", changed, now)
        except Refused:
            held = False
        assert not held


@pytest.mark.parametrize("query", ["a=1&", "&a=1", "a=1&&b=2", "="])
def test_an_empty_member_of_a_query_is_signed_too(query: str) -> None:
    headers, now = signed("GET", "/a", query)
    assert true("GET", "/a", query, b"", headers, now)
    fewer = "&".join(pair for pair in query.split("&") if pair not in ("", "="))
    assert not true("GET", "/a", fewer, b"", headers, now)


def test_another_secret_does_not_hold() -> None:
    headers, now = signed("GET", "/a", secret="other")
    assert not true("GET", "/a", "", b"", headers, now)


@pytest.mark.parametrize("path", ["/a//b", "/a/./b", "/a/../b", "/a/..", "/."])
def test_a_path_that_clients_and_servers_read_differently_is_refused(path: str) -> None:
    headers, now = signed("GET", path)
    with pytest.raises(Refused, match="dot segments"):
        true("GET", path, "", b"", headers, now)


def test_a_digest_that_is_not_the_bodys_is_refused() -> None:
    digest = hashlib.sha256(b"{}").hexdigest()
    assert body_sha256([("x-amz-content-sha256", digest)], b"{}") == digest
    for said in (EMPTY_SHA256, "UNSIGNED-PAYLOAD", ""):
        with pytest.raises(Refused):
            body_sha256([("x-amz-content-sha256", said)], b"{}")
