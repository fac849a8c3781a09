"""sigv4: AWS's request signatures, checked: what the client says it signed is signed again and compared.

Ours, because three processes need it that share no library (the API, the hub, and agents, which check what AWS's Envoy
image shows), and because `botocore.auth` alone takes 0.4 s to import (docs/decisions/006). A signature covers the raw
path and query as they came over the wire, the headers that it lists, and the body; whatever it does not cover must not
matter to us. Session tokens are refused: we issue none.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from isthmus.errors import IsthmusError, Kind
from isthmus.values import Secret

SKEW = timedelta(minutes=5)
"""How far a client's clock may be from ours, in either direction (AWS's own limit)."""
ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=([A-Z0-9]{{16,128}})/(\d{{8}})/([a-z0-9-]{{1,64}})/([a-z0-9-]{{1,64}})/aws4_request, *"
    r"SignedHeaders=([a-z0-9-]+(?:;[a-z0-9-]+)*), *Signature=([0-9a-f]{64})"
)
_TIME = "%Y%m%dT%H%M%SZ"
_SPACES = re.compile("[ \t]+")
"""HTTP's (RFC 9110 §5.6.3). Python's `strip()` would also take U+0085 and U+00A0 away: they could be put in unseen."""

Headers = Sequence[tuple[str, str]]
"""Names in lower case, in their order, as often as they came; bytes beyond ASCII as Latin-1, like everything here."""


class Refused(IsthmusError):
    """A request that proves nothing. `code` is AWS's, because its clients act on it."""

    kind = Kind.DENIED
    code = "InvalidSignatureException"


class Unsigned(Refused):
    """There is no signature at all."""

    code = "MissingAuthenticationTokenException"


class Incomplete(Refused):
    """There is something that cannot be a signature."""

    code = "IncompleteSignatureException"


class UnknownKey(Refused):
    """The access key is unknown or inactive, or stands on a session token."""

    code = "UnrecognizedClientException"


@dataclass(frozen=True, slots=True)
class Claim:
    """What an Authorization header says: who signed, for what, when, and which headers."""

    key: str
    region: str
    service: str
    at: datetime
    headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """What the signature is good for: a day, a region, a service."""
        return f"{self.at:%Y%m%d}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Target:
    """The signed part of a request that is no header: `path` and `query` are raw, as they came over the wire."""

    method: str
    path: str
    query: str
    body_sha256: str


def claim_of(headers: Headers, service: str, now: datetime) -> Claim:
    """The claim in a request's headers, if it is whole, fresh and for this service. Refused otherwise.

    Whether it is true is another question: `string_to_sign` and `holds` answer it.
    """
    match [value for name, value in headers if name == "authorization"]:
        case []:
            raise Unsigned("Missing Authentication Token")
        case [value] if found := _AUTHORIZATION.fullmatch(_value(value)):
            key, day, region, named, signed, signature = found.groups()
        case _:
            raise Incomplete(f"the Authorization header must be one {ALGORITHM} signature")
    if any(name == "x-amz-security-token" for name, _ in headers):
        raise UnknownKey("session tokens are not supported: use an access key of Isthmus")
    at = _time(headers)
    claim = Claim(key, region, named, at, tuple(signed.split(";")), signature)
    if f"{at:%Y%m%d}" != day:
        raise Refused(f"Credential should be scoped to {at:%Y%m%d}, the date of X-Amz-Date")
    if named != service:
        raise Refused(f"Credential should be scoped to correct service: '{service}'.")
    _refuse_uncovered(claim, headers)
    refuse_skewed(at, now)
    return claim


def refuse_skewed(at: datetime, now: datetime) -> None:
    """Refused for a signature that is too old, or from the future."""
    if at < now - SKEW:
        raise Refused(
            f"Signature expired: {at:{_TIME}} is now earlier than {now - SKEW:{_TIME}} ({now:{_TIME}} - 5 min.)"
        )
    if at > now + SKEW:
        raise Refused(f"Signature not yet current: {at:{_TIME}} is still later than {now + SKEW:{_TIME}}")


def _time(headers: Headers) -> datetime:
    match [value for name, value in headers if name == "x-amz-date"]:
        case [value]:
            try:
                return datetime.strptime(_value(value), _TIME).replace(tzinfo=UTC)
            except ValueError:
                pass
    raise Incomplete("there must be one X-Amz-Date header, as 20261125T120000Z")


def _refuse_uncovered(claim: Claim, headers: Headers) -> None:
    """Refused unless the host, the time and whatever else speaks to AWS is signed (AWS's documentation of SigV4)."""
    if list(claim.headers) != sorted(set(claim.headers)):
        raise Incomplete("SignedHeaders must be sorted, each once")
    present = {name for name, _ in headers}
    needed = {"host", "x-amz-date"} | {name for name in present if name.startswith("x-amz-")}
    if missing := sorted(needed - set(claim.headers)):
        raise Refused(f"these headers must be signed: {', '.join(missing)}")
    if absent := sorted(set(claim.headers) - present):
        raise Refused(f"these headers are signed but missing: {', '.join(absent)}")


def body_sha256(headers: Headers, body: bytes) -> str:
    """The digest of a body in hexadecimal; Refused if the request says that it is another, or does not want to say."""
    made = hashlib.sha256(body).hexdigest()
    for name, value in headers:
        if name == "x-amz-content-sha256" and not hmac.compare_digest(_value(value).encode(), made.encode()):
            raise Refused("X-Amz-Content-Sha256 is not the body's digest")
    return made


def string_to_sign(claim: Claim, target: Target, headers: Headers) -> str:
    """What the signature is to be a signature of. Refused for a path that clients and servers read differently."""
    digest = hashlib.sha256(_canonical(claim, target, headers).encode("latin-1")).hexdigest()
    return f"{ALGORITHM}\n{claim.at:{_TIME}}\n{claim.scope}\n{digest}"


def _canonical(claim: Claim, target: Target, headers: Headers) -> str:
    segments = target.path.split("/")[1:]
    if any(segment in ("", ".", "..") for segment in segments[:-1]) or segments[-1] in (".", ".."):
        raise Refused("the path must not have empty or dot segments")
    pairs = sorted(pair.partition("=")[::2] for pair in target.query.split("&")) if target.query else []
    query = "&".join(f"{name}={value}" for name, value in pairs)
    lines = [f"{name}:{','.join(_value(v) for n, v in headers if n == name)}" for name in claim.headers]
    path = quote(target.path.encode("latin-1"), safe="/~")  # encoded once more, unlike S3's
    signed = ";".join(claim.headers)
    return "\n".join([target.method, path, query, *lines, "", signed, target.body_sha256])


def _value(text: str) -> str:
    return _SPACES.sub(" ", text).strip(" ")


def signing_key(secret: Secret, claim: Claim) -> bytes:
    """The key of one scope, made from the secret."""
    key = f"AWS4{secret}".encode()
    for part in claim.scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def holds(secret: Secret, claim: Claim, to_sign: str) -> bool:
    """Whether the claim's signature is this secret's of `to_sign`; takes as long for a wrong one."""
    made = hmac.digest(signing_key(secret, claim), to_sign.encode(), "sha256").hex()
    return hmac.compare_digest(made, claim.signature)


class Mismatch(Refused):
    """The signature is not the key's of this request."""

    def __init__(self) -> None:
        super().__init__(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
            " Access Key and signing method."
        )
