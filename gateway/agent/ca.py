"""ca: this replica's intermediate: the key that signs every leaf of this cluster's proxies, and never leaves.

Leaves go on being issued while the control plane is away, for as long as the intermediate lives (7 d, renewed at half
of it, over the link). What comes back from the hub is checked before it replaces anything: our key, our trust domain,
a root of it, a CA and nothing else.
"""

import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.edge import disk
from gateway.edge.keys import check_key, due, key_pem, load_key, new_key
from gateway.proto import link_pb2 as link
from isthmus.errors import Unavailable
from isthmus.pki import chain, csr, issue, verify
from isthmus.pki.chain import Untrusted
from isthmus.pki.signer import Issuer, KeySigner
from isthmus.pki.template import PrivateKey, PublicKey
from isthmus.values import TrustDomain


@dataclass(frozen=True, slots=True, repr=False)
class Intermediate:
    """A CA at work."""

    key: PrivateKey
    certificate: x509.Certificate
    root: x509.Certificate
    domain: TrustDomain

    @property
    def issuer(self) -> Issuer:
        """As the pki signs with it."""
        return Issuer(KeySigner(self.key), self.certificate)


class Authority:
    """The intermediate in use, the one asked for, and what is issued. `path`: where it is kept."""

    def __init__(self, path: Path, replica: str) -> None:
        self._path, self._replica = path, replica
        self._asked: PrivateKey | None = None
        self._spread = random.random()  # noqa: S311 - jitter, no secret
        self.held = _load(path)

    def request(self, domain: str, now: datetime) -> link.IntermediateRequest | None:
        """What to ask for: nothing while the intermediate is young and of `domain`; one key until it is answered."""
        if self.held and self.held.domain.text == domain and now < due(self.held.certificate, self._spread):
            return None
        self._asked = self._asked or new_key()
        return link.IntermediateRequest(csr_der=csr.make(self._asked))

    def accept(self, answer: link.IntermediateCertificate, now: datetime) -> Intermediate:
        """Take the hub's answer and keep it; Unavailable if it refused, Untrusted if it is not what was asked for."""
        if answer.refused:
            raise Unavailable(answer.refused)
        if self._asked is None:
            raise Untrusted("no intermediate was asked for")
        (made,) = _one(answer.chain_pem)
        (root,) = _one(answer.root_pem)
        domain = TrustDomain(answer.trust_domain)
        check_key(made, self._asked)
        verify.authority(root, domain.text, now=now)
        verify.intermediate(made, [root], domain.text, now=now)
        held = Intermediate(self._asked, made, root, domain)
        _save(self._path, held)
        self.held, self._asked, self._spread = held, None, random.random()  # noqa: S311 - jitter, no secret
        return held

    def leaf(
        self,
        spiffe_id: str,
        key: PublicKey,
        now: datetime,
        life: timedelta = issue.LEAF_LIFE,
        names: tuple[str, ...] = (),
    ) -> bytes:
        """A leaf and the intermediate, PEM. Unavailable without an intermediate that is valid now."""
        held = self._working(now)
        serial = x509.random_serial_number()
        made = issue.leaf(held.issuer, spiffe_id, key, serial=serial, now=now, life=life, names=names)
        return chain.to_pem([made, held.certificate])

    def host(self, name: str, key: PublicKey, now: datetime) -> bytes:
        """What a host's warden shows, and the intermediate, PEM."""
        held = self._working(now)
        made = issue.host(held.issuer, held.domain, name, key, serial=x509.random_serial_number(), now=now)
        return chain.to_pem([made, held.certificate])

    def server(self, key: PublicKey, names: tuple[str, ...], now: datetime) -> bytes:
        """What this replica shows to wardens."""
        return self.leaf(self._working(now).domain.agent(self._replica), key, now, issue.HOST_LIFE, names)

    def _working(self, now: datetime) -> Intermediate:
        if self.held is None or now >= self.held.certificate.not_valid_after_utc:
            raise Unavailable("this agent has no valid intermediate")
        return self.held


def _one(pem: bytes) -> tuple[x509.Certificate, ...]:
    found = chain.parse_pem(pem)
    if len(found) != 1:
        raise Untrusted(f"one certificate was asked for, {len(found)} came")
    return found


def _save(path: Path, held: Intermediate) -> None:
    said = {
        "key": key_pem(held.key).decode(),
        "certificate": chain.to_pem([held.certificate]).decode(),
        "root": chain.to_pem([held.root]).decode(),
        "domain": held.domain.text,
    }
    disk.write(path, json.dumps(said).encode())


def _load(path: Path) -> Intermediate | None:
    body = disk.read(path)
    if body is None:
        return None
    said = json.loads(body)
    (certificate,), (root,) = chain.parse_pem(said["certificate"].encode()), chain.parse_pem(said["root"].encode())
    return Intermediate(load_key(said["key"].encode()), certificate, root, TrustDomain(said["domain"]))
