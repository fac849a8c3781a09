"""foreign: certificates and roots that a tenant brings along: bounded first, then checked, then taken as they are.

Nothing is asked of them but what Envoy and every client need: a key that is the leaf's, a chain of which each signed
the one before, dates that hold now. Sizes and keys are bounded before the first signature is looked at (`chain`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from isthmus.errors import Invalid, Violation
from isthmus.pki import rules
from isthmus.pki.chain import RSA_BITS, Untrusted, parse_pem, to_pem

KEY_BYTES = 16 * 1024
RSA_LEAST = 2048
"""Envoy refuses smaller ones (FIPS 186-4)."""
CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""What Envoy takes."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A chain (PEM, leaf first) with its leaf's key (PEM, PKCS #8), and what the leaf says."""

    chain: bytes
    key: bytes
    domains: tuple[str, ...]
    serial: str
    not_before: datetime
    not_after: datetime


def pair(chain: bytes, key: bytes, now: datetime) -> Pair:
    """A chain and its key. Invalid with everything wrong, under `/chain` and `/private_key`."""
    certificates = _certificates(chain, "/chain")
    private = _private(key)
    leaf = certificates[0]
    wrong = [*_dates(certificates, now), *_links(certificates)]
    if leaf.public_key() != private.public_key():
        wrong.append(Violation("/private_key", "not_the_key", "the first certificate is for another key"))
    names = names_of(leaf)
    if not names:
        wrong.append(Violation("/chain", "no_domain", "the first certificate names no host"))
    if wrong:
        raise Invalid(wrong)
    return _pair(certificates, private, names)


def roots(text: bytes, now: datetime) -> tuple[x509.Certificate, ...]:
    """Authorities that clients are to trust. Invalid, under `/roots`, for what is none or has expired."""
    found = _certificates(text, "/roots")
    wrong = [Violation("/roots", "not_a_ca", f"number {i + 1} is not marked as a CA") for i in _no_authorities(found)]
    wrong += [Violation("/roots", v.code, v.detail) for v in _dates(found, now)]
    if wrong:
        raise Invalid(wrong)
    return found


def names_of(leaf: x509.Certificate) -> tuple[str, ...]:
    """The hosts that a certificate is for: its DNS names and addresses; its common name if it has neither."""
    found = rules.extension(leaf, x509.SubjectAlternativeName)
    dns = found.value.get_values_for_type(x509.DNSName) if found else []
    addresses = found.value.get_values_for_type(x509.IPAddress) if found else []
    common = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return tuple([*dns, *map(str, addresses)] or common)


def key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """A key as Envoy reads it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pair(
    certificates: Sequence[x509.Certificate],
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    names: tuple[str, ...],
) -> Pair:
    leaf = certificates[0]
    ends = min(each.not_valid_after_utc for each in certificates)
    serial = f"{leaf.serial_number:x}"
    return Pair(to_pem(certificates), key_pem(key), names, serial, leaf.not_valid_before_utc, ends)


def _certificates(text: bytes, pointer: str) -> tuple[x509.Certificate, ...]:
    try:
        return parse_pem(text)
    except Untrusted as refused:
        raise Invalid.one(pointer, refused.code, str(refused)) from refused


def _private(text: bytes) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """An RSA key is not proven to be of primes: a bad one harms its owner alone, and 8,192 bits take long."""
    if len(text) > KEY_BYTES:
        raise Invalid.one("/private_key", "too_large", f"a key has at most {KEY_BYTES} bytes")
    try:
        key = serialization.load_pem_private_key(text, None, unsafe_skip_rsa_key_validation=True)
    except Exception as broken:  # the parser has many kinds of "unreadable", encrypted ones among them
        raise Invalid.one("/private_key", "key_unreadable", "this is no private key in PEM without a password") from (
            broken
        )
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return key
    if isinstance(key, rsa.RSAPrivateKey) and RSA_LEAST <= key.key_size <= RSA_BITS:
        return key
    detail = f"keys are EC P-256, P-384 or P-521, or RSA of {RSA_LEAST} to {RSA_BITS} bits"
    raise Invalid.one("/private_key", "key_not_allowed", detail)


def _dates(certificates: Sequence[x509.Certificate], now: datetime) -> Iterator[Violation]:
    for i, each in enumerate(certificates):
        start, end = each.not_valid_before_utc, each.not_valid_after_utc
        if not start <= now <= end:
            yield Violation("/chain", "not_valid_now", f"number {i + 1} is valid from {start:%FT%TZ} to {end:%FT%TZ}")


def _links(certificates: Sequence[x509.Certificate]) -> Iterator[Violation]:
    """Each is signed by the next, so what is shown is a chain and not a heap."""
    for i, (each, above) in enumerate(pairwise(certificates)):
        try:
            each.verify_directly_issued_by(above)
        except Exception:  # noqa: BLE001 - a name or a signature that does not fit, or a key of another sort
            yield Violation("/chain", "chain_broken", f"number {i + 1} is not signed by number {i + 2}")


def _no_authorities(certificates: Sequence[x509.Certificate]) -> Iterator[int]:
    for i, each in enumerate(certificates):
        basic = rules.extension(each, x509.BasicConstraints)
        if basic is None or not basic.value.ca:
            yield i
