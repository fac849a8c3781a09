"""acme authority: RFC 8555 in the steps that can be left off and taken up again by anybody who has the account's key.

Each call is a few requests and waits for nothing: what an authority takes minutes for is looked at again later. HTTP-01
only, because that is what a gateway can answer; an authority that offers none is told as a failure.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from acme import challenges, client, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from isthmus.errors import Unavailable

_AGENT = "isthmus"
_WRONG = (errors.Error, messages.Error, JoseError, requests.RequestException, ValueError, KeyError)
_SECONDS = 4
"""For one request: a step is a few of them, and its promise is held for 15 s."""


class AcmeFailed(Unavailable):
    """The authority did not do it; its words are in the message."""

    code = "acme_failed"


@dataclass(frozen=True, slots=True)
class Order:
    """An order at an authority: its URLs, and what is to be answered: domain → (token, text)."""

    url: str
    finalize: str
    authorizations: tuple[str, ...]
    answers: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Seen:
    """How far an order is: RFC 8555 §7.1.6's word, why it is invalid, and where its certificate is."""

    status: str
    reason: str = ""
    certificate: str = ""


class AcmeAuthority:
    """One authority, as one account of it; without `account` all that it can do is register."""

    def __init__(self, directory: str, key: ec.EllipticCurvePrivateKey, account: str = "") -> None:
        self._key = JWKEC(key=key)
        known = messages.RegistrationResource(uri=account, body=messages.Registration()) if account else None
        self._net = client.ClientNetwork(self._key, account=known, alg=ES256, user_agent=_AGENT, timeout=_SECONDS)
        with _told():
            self._client = client.ClientV2(client.ClientV2.get_directory(directory, self._net), self._net)

    def register(self) -> str:
        """A new account, or the one that the key has already; its URL."""
        with _told():
            try:
                return str(self._client.new_account(messages.NewRegistration(terms_of_service_agreed=True)).uri)
            except errors.ConflictError as had:
                return str(had.location)

    def order(self, csr_pem: bytes) -> Order:
        """A new order for the names in a request."""
        with _told():
            made = self._client.new_order(csr_pem)
            waiting = [each.body for each in made.authorizations if each.body.status != messages.STATUS_VALID]
            answers = {body.identifier.value: self._answer(body) for body in waiting}
            return Order(made.uri, made.body.finalize, tuple(made.body.authorizations), answers)

    def ask(self, authorizations: Sequence[str]) -> None:
        """Let the authority look: the answers are where it will ask for them."""
        with _told():
            for url in authorizations:
                body = self._read(url, messages.Authorization)
                if body.status == messages.STATUS_PENDING:
                    posed = _http(body)
                    self._client.answer_challenge(posed, posed.chall.response(self._key))

    def look(self, order: str, authorizations: Sequence[str]) -> Seen:
        """How far it is."""
        with _told():
            body = self._read(order, messages.Order)
            status = body.status.name
            if status != messages.STATUS_INVALID.name:
                return Seen(status, certificate=body.certificate or "")
            return Seen(status, str(body.error or self._why(authorizations) or "the authority does not say why"))

    def finalize(self, url: str, csr_pem: bytes) -> None:
        """Have it issued."""
        with _told():
            order = messages.Order(finalize=url)
            self._client.begin_finalization(messages.OrderResource(body=order, csr_pem=csr_pem))

    def chain(self, url: str) -> bytes:
        """What was issued, PEM, the leaf first."""
        with _told():
            return bytes(self._post_as_get(url).content)

    def _answer(self, body: Any) -> tuple[str, str]:  # noqa: ANN401 - josepy's objects have no types
        posed = _http(body)
        return posed.chall.encode("token"), str(posed.chall.validation(self._key))

    def _why(self, authorizations: Sequence[str]) -> str:
        """What the authority says of the first challenge that it does not accept."""
        bodies = (self._read(url, messages.Authorization) for url in authorizations)
        found = (f"{b.identifier.value}: {c.error}" for b in bodies for c in b.challenges if c.error is not None)
        return next(found, "")

    def _read(self, url: str, shape: Any) -> Any:  # noqa: ANN401 - as above
        return shape.from_json(self._post_as_get(url).json())

    def _post_as_get(self, url: str) -> requests.Response:
        """RFC 8555 §6.3. The library has it for its own use only."""
        return self._net.post(url, None, new_nonce_url=self._client.directory["newNonce"])


def _http(body: Any) -> Any:  # noqa: ANN401 - as above
    for posed in body.challenges:
        if isinstance(posed.chall, challenges.HTTP01):
            return posed
    raise AcmeFailed(f"the authority offers no HTTP-01 challenge for {body.identifier.value}")


@contextmanager
def _told() -> Iterator[None]:
    """Whatever goes wrong with an authority or on the way to it is one thing to the caller."""
    try:
        yield
    except _WRONG as wrong:
        raise AcmeFailed(f"{type(wrong).__name__}: {wrong}") from wrong
