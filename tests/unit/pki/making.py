"""What the tests of trust are about, made in one line: keys, roots, intermediates, and signers that lie."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from isthmus.pki import authority, issue, link_ca
from isthmus.pki.signer import Issuer, KeySigner
from isthmus.pki.template import PrivateKey, PublicKey, Template, build
from isthmus.values import TrustDomain

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
EAST = TrustDomain.of("east", 1, "acme")
WEST = TrustDomain.of("west", 1, "acme")
WEB = EAST.node("shop", "web")


def key(curve: ec.EllipticCurve | None = None) -> PrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def root(domain: TrustDomain = EAST, now: datetime = NOW, curve: ec.EllipticCurve | None = None) -> Issuer:
    signer = KeySigner(key(curve))
    return Issuer(signer, authority.create(signer, domain, serial=1, now=now))


def intermediate(under: Issuer, domain: TrustDomain = EAST, now: datetime = NOW) -> Issuer:
    signer = KeySigner(key())
    made = issue.intermediate(under, domain, "a-0", signer.public_key, serial=2, now=now)
    return Issuer(signer, made)


def link_root(now: datetime = NOW) -> Issuer:
    signer = KeySigner(key())
    return Issuer(signer, link_ca.create(signer, serial=3, now=now))


@dataclass
class Liar:
    """A signer that signs something else than it was asked: another template, or another certificate altogether."""

    key: PrivateKey
    changed: dict[str, Any]
    forge: Callable[[Template, PrivateKey], x509.Certificate] = build

    @property
    def public_key(self) -> PublicKey:
        return self.key.public_key()

    def issue(self, template: Template) -> x509.Certificate:
        return self.forge(replace(template, **self.changed), self.key)


def lying(ca: Issuer, forge: Callable[[Template, PrivateKey], x509.Certificate] = build, **changed: Any) -> Issuer:  # noqa: ANN401 - Template's fields
    """The same CA, with a signer that lies."""
    assert isinstance(ca.signer, KeySigner)
    return Issuer(Liar(ca.signer.key, changed, forge), ca.certificate)
