"""An ACME authority on loopback (RFC 8555), for what Let's Encrypt cannot be asked: it checks what clients send.

Nonces are good once, requests are signed by the key of a known account for the URL they went to, and a challenge is
really fetched, by HTTP at the address that `leads` gives for the domain. It signs under an authority of its own.
"""

import base64
import itertools
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any

from acme import jws
from cryptography import x509
from josepy.jwk import JWK

from isthmus.pki import web
from isthmus.pki.chain import to_pem
from isthmus.pki.signer import Issuer
from tests.certificates import owned

Json = Any
_PROBLEM = "urn:ietf:params:acme:error:"


class Refused(Exception):
    """A problem document."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class AcmeServer:
    """`leads`: domain → "host:port" where its challenges are fetched. `life`: of what is issued."""

    def __init__(self) -> None:
        self.authority: Issuer = owned("acme")
        self.leads: dict[str, str] = {}
        self.life = timedelta(days=90)
        self.down = False
        self.accounts: dict[str, JWK] = {}
        self.orders: dict[str, Json] = {}
        self.authorizations: dict[str, Json] = {}
        self.chains: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self._nonces: set[str] = set()
        self._numbers = itertools.count(1)
        self.url = ""

    @property
    def directory(self) -> str:
        return f"{self.url}/directory"

    def nonce(self) -> str:
        made = base64.urlsafe_b64encode(token_urlsafe(12).encode()).decode().rstrip("=")
        self._nonces.add(made)
        return made

    def get(self, path: str) -> Json:
        assert path == "/directory", path
        said = {
            name: f"{self.url}/{name}" for name in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
        }
        return said | {"meta": {}}

    def post(self, path: str, body: bytes) -> tuple[int, Json, dict[str, str]]:
        """Status, content, further headers."""
        if self.down:
            raise Refused("serverInternal", "down for maintenance")
        account, payload = self._signed(path, body)
        kind, _, name = path.strip("/").partition("/")
        match kind:
            case "newAccount":
                return 201, {"status": "valid"}, {"Location": account}
            case "newOrder":
                return self._new_order(payload)
            case "challenge":
                return self._validate(name, self.accounts[account])
            case "finalize":
                return 200, self._finalize(name, payload), {}
            case "authz" | "order" | "chain":
                return 200, {"authz": self.authorizations, "order": self.orders, "chain": self.chains}[kind][name], {}
        raise Refused("malformed", f"there is no {path}")

    def _signed(self, path: str, body: bytes) -> tuple[str, Json]:
        """Who signed what, for this URL, with a nonce of ours that nobody has used."""
        said = jws.JWS.from_json(json.loads(body))
        head = said.signature.combined
        if base64.urlsafe_b64encode(head.nonce).decode().rstrip("=") not in self._nonces:
            raise Refused("badNonce", "this nonce is not ours, or spent")
        self._nonces.discard(base64.urlsafe_b64encode(head.nonce).decode().rstrip("="))
        if path == "/newAccount":
            account, key = f"{self.url}/account/{next(self._numbers)}", head.jwk
            self.accounts[account] = key
        else:
            account, key = head.kid, self.accounts.get(head.kid)
        if key is None or not said.verify(key) or head.url != f"{self.url}{path}":
            raise Refused("unauthorized", "the signature is not by a known account for this URL")
        return account, json.loads(said.payload) if said.payload else None

    def _new_order(self, payload: Json) -> tuple[int, Json, dict[str, str]]:
        name = str(next(self._numbers))
        order = {"status": "pending", "identifiers": payload["identifiers"], "finalize": f"{self.url}/finalize/{name}"}
        order["authorizations"] = []
        for identifier in payload["identifiers"]:
            number = str(next(self._numbers))
            challenge = {"type": "http-01", "url": f"{self.url}/challenge/{number}", "token": token_urlsafe(16)}
            challenge["status"] = "pending"
            said = {"status": "pending", "identifier": identifier, "challenges": [challenge], "order": name}
            self.authorizations[number] = said
            order["authorizations"].append(f"{self.url}/authz/{number}")
        self.orders[name] = order
        return 201, order, {"Location": f"{self.url}/order/{name}"}

    def _validate(self, name: str, key: JWK) -> tuple[int, Json, dict[str, str]]:
        """Fetch the answer, once."""
        said = self.authorizations[name]
        (challenge,) = said["challenges"]
        thumb = base64.urlsafe_b64encode(key.thumbprint()).decode().rstrip("=")
        found = self._fetched(said["identifier"]["value"], challenge["token"])
        good = found == f"{challenge['token']}.{thumb}"
        said["status"] = challenge["status"] = "valid" if good else "invalid"
        order = self.orders[said["order"]]
        if not good:
            challenge["error"] = {"type": f"{_PROBLEM}unauthorized", "detail": f"found {found!r}"}
            order["status"] = "invalid"
        elif all(each["status"] == "valid" for each in self.authorizations.values() if each["order"] == said["order"]):
            order["status"] = "ready"
        up = {"Link": f'<{self.url}/authz/{name}>;rel="up"'}
        return 200, challenge, up

    def _fetched(self, domain: str, token: str) -> str:
        url = f"http://{self.leads[domain]}/.well-known/acme-challenge/{token}"
        self.fetched.append(domain)
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": domain}), timeout=5) as answer:
                return str(answer.read().decode())
        except OSError as failed:
            return f"<{failed}>"

    def _finalize(self, name: str, payload: Json) -> Json:
        order = self.orders[name]
        if order["status"] != "ready":
            raise Refused("orderNotReady", f"it is {order['status']}")
        der = base64.urlsafe_b64decode(payload["csr"] + "==")
        request = x509.load_der_x509_csr(der)
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        domains = names.get_values_for_type(x509.DNSName)
        if sorted(domains) != sorted(each["value"] for each in order["identifiers"]):
            raise Refused("badCSR", "the request is for other names")
        serial = x509.random_serial_number()
        made = web.leaf(
            self.authority,
            domains,
            request.public_key(),  # type: ignore[arg-type]
            serial=serial,
            now=datetime.now(UTC),
            life=self.life,
        )
        self.chains[name] = to_pem([made, self.authority.certificate])
        order |= {"status": "valid", "certificate": f"{self.url}/chain/{name}"}
        return order


@contextmanager
def acme_server() -> Iterator[AcmeServer]:
    """One on a free port, while the block lasts."""
    acme = AcmeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(200, b"", {})

        def do_GET(self) -> None:
            self._answer(200, acme.get(self.path), {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                self._answer(*acme.post(self.path, body))
            except Refused as refused:
                said = {"type": f"{_PROBLEM}{refused.kind}", "detail": str(refused)}
                self._answer(403, said, {}, "application/problem+json")

        def _answer(self, status: int, said: Json, more: dict[str, str], kind: str = "application/json") -> None:
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            headers = {"Replay-Nonce": acme.nonce(), "Content-Type": kind, "Content-Length": str(len(body))} | more
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to a test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    acme.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield acme
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
