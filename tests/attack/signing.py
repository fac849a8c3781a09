"""signing: requests as the bytes that a client sends, signed by botocore, taken from boto3 before they leave.

Bytes, because a signature covers the raw path, the raw query and the headers one by one: a client library between a
mutation and the socket would mend what the mutation broke.
"""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from isthmus.store.access_keys import Made
from tests.contract.appmesh.conftest import REGION, Installation, client

TIME = "%Y%m%dT%H%M%SZ"
AUTHORIZATION = re.compile(r"(\S+) Credential=([^,]+), SignedHeaders=([^,]+), Signature=(.+)")
Json = Any


@dataclass(frozen=True)
class Request:
    """One request; its length is written when it is sent, so that a changed body arrives whole."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def wire(self) -> bytes:
        """The bytes on the socket."""
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers)]
        chunked = any(name.lower() == "transfer-encoding" for name, _ in self.headers)
        if chunked:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.body), self.body) if self.body else b"0\r\n\r\n"
        else:
            body = self.body
            lines += [f"Content-Length: {len(body)}"] if body or self.method == "PUT" else []
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    @property
    def path(self) -> str:
        """The part of the target before the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> tuple[str, ...]:
        """The members of the query, raw."""
        _, asked, query = self.target.partition("?")
        return tuple(query.split("&")) if asked else ()

    def at(self, path: str, query: tuple[str, ...]) -> "Request":
        """The same request for another target."""
        return replace(self, target=path + ("?" + "&".join(query) if query else ""))

    def header(self, name: str) -> str:
        """The first value of a header, "" if there is none."""
        return next((value for have, value in self.headers if have.lower() == name), "")

    def with_header(self, name: str, change: Callable[[str], str]) -> "Request":
        """With the values of a header changed."""
        changed = ((n, change(v) if n.lower() == name else v) for n, v in self.headers)
        return replace(self, headers=tuple(changed))

    def without(self, *names: str) -> "Request":
        """With some headers left out."""
        return replace(self, headers=tuple((n, v) for n, v in self.headers if n.lower() not in names))

    def plus(self, *headers: tuple[str, str]) -> "Request":
        """With more headers."""
        return replace(self, headers=(*self.headers, *headers))


@dataclass(frozen=True)
class Signature:
    """The parts of an Authorization header."""

    algorithm: str
    credential: tuple[str, ...]
    headers: tuple[str, ...]
    value: str

    @classmethod
    def of(cls, request: Request) -> "Signature | None":
        """The signature that a request carries, if it looks like one."""
        found = AUTHORIZATION.fullmatch(request.header("authorization"))
        return found and cls(found[1], tuple(found[2].split("/")), tuple(found[3].split(";")), found[4])

    @property
    def text(self) -> str:
        """The header, as botocore writes it."""
        credential, headers = "/".join(self.credential), ";".join(self.headers)
        return f"{self.algorithm} Credential={credential}, SignedHeaders={headers}, Signature={self.value}"


class Boto3:
    """boto3 with its mouth shut: a call makes the request that it would have sent."""

    def __init__(self, installation: Installation, key: Made) -> None:
        self._client = client(installation, key)
        self._client.meta.events.register("before-send", self._keep)

    def request(self, operation: str, **params: Json) -> Request:
        """The request of an operation, as urllib3 would put it on the wire."""
        try:
            getattr(self._client, operation)(**params)
        except _Kept as kept:
            return kept.request
        raise AssertionError(f"{operation} has been sent")

    def _keep(self, request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's, untyped
        url = urlsplit(request.url)
        given = (
            (name, value.decode() if isinstance(value, bytes) else value) for name, value in request.headers.items()
        )
        kept = tuple((name, value) for name, value in given if name.lower() not in ("content-length", "host"))
        headers = (("Host", url.netloc), ("Accept-Encoding", "identity"), *kept)
        target = url.path + (f"?{url.query}" if url.query else "")
        raise _Kept(Request(request.method, target, headers, request.body or b""))


class _Kept(Exception):
    def __init__(self, request: Request) -> None:
        self.request = request
        super().__init__(request.target)


def signed_anew(
    request: Request, key: str, secret: str, at: datetime | None = None, service: str = "appmesh"
) -> Request:
    """The request with a true signature of botocore's, of now if not told otherwise, over all but the usual headers."""
    time = f"{at or datetime.now(UTC):{TIME}}"
    bare = request.without("authorization", "x-amz-date").plus(("X-Amz-Date", time))
    url = f"http://{request.header('host')}{request.target}"
    asked = AWSRequest(request.method, url, data=request.body, headers=dict(bare.headers))
    asked.context["timestamp"] = time
    auth = SigV4Auth(Credentials(key, secret), service, REGION)
    signature = auth.signature(auth.string_to_sign(asked, auth.canonical_request(asked)), asked)
    covered = auth.signed_headers(auth.headers_to_sign(asked))
    made = Signature("AWS4-HMAC-SHA256", tuple(auth.scope(asked).split("/")), tuple(covered.split(";")), signature)
    return bare.plus(("Authorization", made.text))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    error: str
    body: bytes


class Line:
    """A connection that is kept, and opened again when the server closes it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (str(parts.hostname), int(parts.port or 80))
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def send(self, request: Request) -> Answer:
        """The answer to exactly these bytes."""
        try:
            return self._once(request)
        except (ConnectionError, HTTPException):  # an idle connection may have been closed meanwhile
            self._close()
            return self._once(request)

    def _once(self, request: Request) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=30)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request.wire)
        with HTTPResponse(self._socket, method=request.method) as response:
            response.begin()
            answer = Answer(response.status, response.getheader("x-amzn-errortype") or "", response.read())
            stays = not response.will_close
        if not stays:
            self._close()
        return answer

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
