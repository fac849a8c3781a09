"""keys: made here, kept here, and when what certifies them is to be replaced."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from isthmus.pki.chain import Untrusted
from isthmus.pki.template import PrivateKey

JITTER = 0.1
"""How much of a life renewals are spread over, so that a fleet that joined together does not renew together."""


def new_key() -> PrivateKey:
    """A P-256 key; it never leaves this host."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey) -> bytes:
    """A key as files and gRPC hold it."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form)


def load_key(pem: bytes) -> PrivateKey:
    """The inverse of `key_pem`."""
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "we keep EC keys only"
    return key


def due(certificate: x509.Certificate, spread: float) -> datetime:
    """When to renew: half of its life, and up to a tenth more. `spread` in [0, 1) is drawn once per certificate."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_before_utc + life * (0.5 + JITTER * spread)


def check_key(certificate: x509.Certificate, key: PrivateKey) -> None:
    """Untrusted unless the certificate is for our key."""
    if certificate.public_key() != key.public_key():
        raise Untrusted("it certifies another key than ours")
