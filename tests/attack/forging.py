"""forging: what an attacker does to a signed request, by class.

A forgery gives another request than it got, or None where the class has nothing to do with this request. It never
gives one that means the same by SigV4: those are in `passing`.
"""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

from isthmus.store.access_keys import Made
from tests.attack.signing import TIME, Request, Signature, signed_anew

HEX = "0123456789abcdef"
SAFE = string.ascii_letters + string.digits + "-._~!$'()*,;=:@"
VISIBLE = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/ \t\x80\x85\xa0\xff"
"""What may stand in a header's value: beyond ASCII there are spaces of Unicode's, which are none of SigV4's."""


@dataclass(frozen=True)
class Keys:
    """Whose keys an attacker has: `mine` signs, and the rest must be of no use."""

    mine: Made
    strangers: Made
    deactivated: Made
    deleted: Made


@dataclass(frozen=True)
class Forger:
    """Where chances and keys come from."""

    random: Random
    keys: Keys

    def other(self, text: str, letters: str) -> str:
        """The text with one character replaced, put in or taken out."""
        at = self.random.randrange(len(text) + 1)
        letter, kind = self.random.choice(letters), self.random.randrange(3)
        if kind == 0 or at == len(text):
            return text[:at] + letter + text[at:]
        return text[:at] + (letter if kind == 1 else "") + text[at + 1 :]


Forgery = Callable[[Forger, Request], Request | None]


def _resigned(request: Request, change: Callable[[Signature], Signature]) -> Request | None:
    """With another Authorization header."""
    signature = Signature.of(request)
    return None if signature is None else request.with_header("authorization", lambda _: change(signature).text)


def signature_characters(forger: Forger, request: Request) -> Request | None:
    def change(signature: Signature) -> Signature:
        value, at = signature.value, forger.random.randrange(64)
        return replace(
            signature,
            value=forger.random.choice(
                [
                    value[:at] + forger.random.choice(HEX) + value[at + 1 :],
                    value[at:] + value[:at],
                    value.upper(),
                    value[:at],
                    value + forger.random.choice(HEX),
                    "0" * 64,
                    sha256(value.encode()).hexdigest(),
                ]
            ),
        )

    return _resigned(request, change)


def credential(forger: Forger, request: Request) -> Request | None:
    """Another key id, day, region, service or end than was signed."""
    wrong = {
        0: ["AKIA" + "A" * 16, "", forger.keys.strangers.id, forger.keys.mine.id.lower()],
        1: ["20200101", "", "2026112", "99999999"],
        2: ["us-east-1", "", "EU-WEST-1", "*"],
        3: ["s3", "appmesh-preview", "", "AppMesh"],
        4: ["aws4_request2", "aws5_request", "", "AWS4_REQUEST"],
    }

    def change(signature: Signature) -> Signature:
        parts, at = list(signature.credential), forger.random.randrange(5)
        if forger.random.random() < 0.2:
            parts.insert(at, parts[at])
        elif at < len(parts):
            parts[at] = forger.random.choice([*wrong[at], forger.other(parts[at], SAFE)])
        return replace(signature, credential=tuple(parts))

    return _resigned(request, change)


def signed_headers(forger: Forger, request: Request) -> Request | None:
    """The list of signed headers, one less or more or in another order."""
    more = sorted({name.lower() for name, _ in request.headers} - {"authorization"})

    def change(signature: Signature) -> Signature:
        names, at = list(signature.headers), forger.random.randrange(len(signature.headers))
        match forger.random.randrange(6):
            case 0:
                del names[at]
            case 1:
                names = sorted({*names, forger.random.choice(more)})
            case 2:
                names = sorted([*names, "x-amz-meta"])
            case 3:
                names = names[at:] + names[:at]
            case 4:
                names.insert(at, names[at])
            case _:
                names[at] = names[at].title()
        return replace(signature, headers=tuple(names))

    return _resigned(request, change)


def header_values(forger: Forger, request: Request) -> Request | None:
    """What a signed header says."""
    signature = Signature.of(request)
    if signature is None:
        return None
    name = forger.random.choice(signature.headers)
    values = {
        "host": ["evil.test", "127.0.0.1", "localhost:1"],
        "x-amz-date": [f"{datetime.now(UTC) - timedelta(seconds=forger.random.randrange(2, 200)):{TIME}}"],
        "content-type": ["application/json; charset=utf-8", "application/x-amz-json-1.1", "text/plain", "a+json"],
    }
    said = request.header(name)
    blank = forger.random.choice("\x85\xa0")
    others = [*values.get(name, []), said + blank, blank + said]
    changed = forger.random.choice([*others, *(forger.other(said, VISIBLE) for _ in range(3))])
    if changed.strip(" \t") == said:
        return None  # spaces around are nobody's
    return request.with_header(name, lambda _: changed)


def content_digest(forger: Forger, request: Request) -> Request:
    """A header that AWS's clients send to other services, and that speaks about the body: it has not been signed."""
    digests = [sha256(request.body).hexdigest(), sha256(b"").hexdigest(), "UNSIGNED-PAYLOAD", "", "STREAMING-" + HEX]
    return request.plus(("X-Amz-Content-Sha256", forger.random.choice(digests)))


def duplicated_header(forger: Forger, request: Request) -> Request | None:
    """A signed header twice, so that nobody knows which one is meant."""
    signature = Signature.of(request)
    if signature is None:
        return None
    name = forger.random.choice(signature.headers)
    value = forger.random.choice([request.header(name), forger.other(request.header(name), SAFE), ""])
    if forger.random.random() < 0.5:
        return request.plus((name, value))
    return replace(request, headers=((name, value), *request.headers))


def authorization(forger: Forger, request: Request) -> Request | None:
    """None, two, or of another kind."""
    said = request.header("authorization")
    signature = Signature.of(request)
    if signature is None:
        return None
    others = ["AWS4-HMAC-SHA1", "AWS4-ECDSA-P256-SHA256", "AWS4-HMAC-SHA256-PAYLOAD", "aws4-hmac-sha256", "Bearer"]
    match forger.random.randrange(5):
        case 0:
            return request.without("authorization")
        case 1:
            return request.plus(("Authorization", said))
        case 2:
            return replace(request, headers=(("authorization", forger.other(said, SAFE)), *request.headers))
        case 3:
            named = replace(signature, algorithm=forger.random.choice(others))
            return request.with_header("authorization", lambda _: named.text)
    query = (
        f"X-Amz-Algorithm={signature.algorithm}",
        f"X-Amz-Credential={'%2F'.join(signature.credential)}",
        f"X-Amz-Date={request.header('x-amz-date')}",
        f"X-Amz-SignedHeaders={'%3B'.join(signature.headers)}",
        f"X-Amz-Signature={signature.value}",
    )
    return request.without("authorization").at(request.path, (*request.query, *query))


def body(forger: Forger, request: Request) -> Request:
    """Other bytes; where there was no body, one."""
    sent = request.body
    if not sent:
        return replace(request, body=forger.random.choice([b"{}", b" ", b'{"spec":{}}']))
    at = forger.random.randrange(len(sent))
    flipped = sent[:at] + bytes([sent[at] ^ 1 << forger.random.randrange(8)]) + sent[at + 1 :]
    made = [flipped, sent + b" ", sent + b"\0", b"\n" + sent, sent[:at], b"{}", b"", sent.replace(b'": ', b'":')]
    return replace(request, body=forger.random.choice(made))


def method(forger: Forger, request: Request) -> Request:
    return replace(request, method=forger.random.choice(["GET", "PUT", "DELETE", "POST", "PATCH", "HEAD", "OPTIONS"]))


def path(forger: Forger, request: Request) -> Request | None:
    """Another path, or the same one spelled otherwise: a signature is of the spelling."""
    head, *rest = request.path.split("/")[1:]  # `head` is the API's version: beside it there is another application
    at = forger.random.randrange(len(rest))
    match forger.random.randrange(9):
        case 0:
            rest[at] = forger.other(rest[at], SAFE)
        case 1:
            rest.insert(at, forger.random.choice(["meshes", "m", ".", "..", "", "%2E%2E", "%2F"]))
        case 2:
            del rest[at]
        case 3:
            rest.append(forger.random.choice(["", ".", "x"]))
        case 4:
            rest[at : at + 1] = [rest[at], "..", rest[at]]
        case 5:
            rest[at] = rest[at].replace("%2F", "/", 1)
        case 6:
            rest[at] = rest[at].replace("%2F", "%2f").replace("%2A", "%2a")
        case 7 if rest[at]:
            rest[at] = f"%{ord(rest[at][0]):02X}{rest[at][1:]}"
        case _:
            rest = ["%2F".join(rest[:2]), *rest[2:]] if forger.random.random() < 0.5 else [rest[at].upper(), *rest]
    return request.at("/" + "/".join([head, *rest]), request.query)


def query(forger: Forger, request: Request) -> Request | None:
    """A member more, less, twice, or other than it was."""
    pairs, more = list(request.query), forger.random.choice(["limit=1", "meshOwner=999999999999", "x="])
    if not pairs or forger.random.random() < 0.25:
        return request.at(request.path, (*pairs, more))
    at = forger.random.randrange(len(pairs))
    match forger.random.randrange(5):
        case 0:
            pairs[at] = forger.other(pairs[at], SAFE)
        case 1:
            del pairs[at]
        case 2:
            pairs.append(pairs[at])
        case 3:
            pairs.insert(at, "")
        case _:
            pairs[at] = pairs[at].replace("%3A", ":").replace("%2F", "/").replace("=1", "=%31")
    return request.at(request.path, tuple(pairs))


def date(forger: Forger, request: Request) -> Request | None:
    """A true signature of another time, or of another day than its time is of."""
    mine, now = forger.keys.mine, datetime.now(UTC)
    if forger.random.random() < 0.3:
        day = f"{now + timedelta(days=forger.random.choice([-365, -7, -1, 1, 365])):%Y%m%d}"

        def change(signature: Signature) -> Signature:
            return replace(signature, credential=(signature.credential[0], day, *signature.credential[2:]))

        return _resigned(request, change)
    seconds = forger.random.choice([310, 360, 3600, 86400, 31 * 86400]) * forger.random.choice([-1, 1])
    return signed_anew(request, mine.id, str(mine.secret), now + timedelta(seconds=seconds))


def session_token(forger: Forger, request: Request) -> Request:
    """Of which we issue none: unsigned, and truly signed."""
    mine = forger.keys.mine
    more = request.plus(("X-Amz-Security-Token", forger.random.choice(["t", "FwoGZXIvYXdzE" + "A" * 300, ""])))
    return more if forger.random.random() < 0.5 else signed_anew(more, mine.id, str(mine.secret))


def other_keys(forger: Forger, request: Request) -> Request:
    """True signatures by the wrong secret for a key's id, and for another service."""
    mine, theirs = forger.keys.mine, forger.keys.strangers
    ids = [(theirs.id, mine.secret), (mine.id, theirs.secret), ("AKIA" + "B" * 16, mine.secret), (mine.id, "")]
    key, secret = forger.random.choice(ids)
    if forger.random.random() < 0.2:
        return signed_anew(request, mine.id, str(mine.secret), service="s3")
    return signed_anew(request, key, str(secret))


def deactivated_key(forger: Forger, request: Request) -> Request:
    gone = forger.keys.deactivated
    return signed_anew(request, gone.id, str(gone.secret))


def deleted_key(forger: Forger, request: Request) -> Request:
    gone = forger.keys.deleted
    return signed_anew(request, gone.id, str(gone.secret))


FORGERIES: Mapping[str, Forgery] = {
    forgery.__name__.replace("_", " "): forgery
    for forgery in (
        signature_characters, credential, signed_headers, header_values, content_digest, duplicated_header,
        authorization, body, method, path, query, date, session_token, other_keys, deactivated_key, deleted_key,
    )
}  # fmt: skip
"""By class: every one must be refused."""
