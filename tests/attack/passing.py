"""passing: what a proxy on the way may do to a signed request, and what a client may do otherwise: all is accepted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from tests.attack.forging import VISIBLE, Forger, Forgery
from tests.attack.signing import Request, signed_anew


def as_signed(_: Forger, request: Request) -> Request:
    return request


def header_names_case(forger: Forger, request: Request) -> Request:
    spelled = forger.random.choice([str.lower, str.upper, str.title])
    return replace(request, headers=tuple((spelled(name), value) for name, value in request.headers))


def header_order(forger: Forger, request: Request) -> Request:
    return replace(request, headers=tuple(forger.random.sample(request.headers, len(request.headers))))


def unsigned_header(forger: Forger, request: Request) -> Request:
    """One more, one less, or another value."""
    more = [("X-Forwarded-For", "192.0.2.1"), ("Accept", "*/*"), ("Cookie", "a=b"), ("X-Request-Id", "x")]
    match forger.random.randrange(3):
        case 0:
            return request.plus(forger.random.choice(more))
        case 1:
            return request.without("user-agent")
    return request.with_header("user-agent", lambda value: value + forger.random.choice(VISIBLE[:20]))


def query_order(forger: Forger, request: Request) -> Request | None:
    pairs = request.query
    return request.at(request.path, pairs[::-1]) if len(pairs) > 1 else None


def query_of_nothing(_: Forger, request: Request) -> Request | None:
    """A question mark and nothing after it."""
    return None if request.query else request.at(request.path, ("",))


def spaces_around_values(forger: Forger, request: Request) -> Request:
    pad = [forger.random.choice([" ", "  ", "\t", " \t "]) for _ in range(2)]
    return replace(request, headers=tuple((name, pad[0] + value + pad[1]) for name, value in request.headers))


def spaces_in_authorization(forger: Forger, request: Request) -> Request:
    return request.with_header("authorization", lambda v: v.replace(", ", forger.random.choice([",", ",  ", ",   "])))


def absolute_form(_: Forger, request: Request) -> Request:
    """As proxies write targets; a server must take it (RFC 9112 §3.2.2)."""
    return replace(request, target=f"http://{request.header('host')}{request.target}")


def chunked_body(_: Forger, request: Request) -> Request | None:
    return request.plus(("Transfer-Encoding", "chunked")) if request.body else None


def another_true_signature(forger: Forger, request: Request) -> Request:
    """Within the skew, and over more headers than boto3 signs: shows that `signed_anew` tells the truth elsewhere."""
    mine, seconds = forger.keys.mine, forger.random.choice([-280, -60, 0, 60, 280])
    more = request.plus(("X-Amz-Content-Sha256", sha256(request.body).hexdigest()), ("X-Amz-Meta", "a  b"))
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return signed_anew(forger.random.choice([more, request]), mine.id, str(mine.secret), at)


NEUTRAL: Mapping[str, Forgery] = {
    change.__name__.replace("_", " "): change
    for change in (
        as_signed, header_names_case, header_order, unsigned_header, query_order, query_of_nothing,
        spaces_around_values, spaces_in_authorization, absolute_form, chunked_body, another_true_signature,
    )
}  # fmt: skip
"""By class: every one must be accepted."""
