"""rules: what RFC 5280 and SPIFFE X.509-SVID ask of one certificate, read from its bytes.

Nothing here is shared with what builds certificates, not a constant: a mistake in the builder must meet a second
opinion. Each function yields what is wrong in words; whether the chain leads to a trusted root is `path`'s.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

_ID = re.compile(r"spiffe://([a-z0-9._-]{1,255})((?:/[A-Za-z0-9._-]+)*)")  # SPIFFE-ID §2.1, §2.2
_ID_BYTES = 2048  # SPIFFE-ID §2.3
_SERIAL_BITS = 159  # RFC 5280 §4.1.2.2: positive, at most 20 octets
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CURVES = ("secp256r1", "secp384r1")
_KNOWN = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}

Ext = TypeVar("Ext", bound=x509.ExtensionType)


def extension(certificate: x509.Certificate, kind: type[Ext]) -> x509.Extension[Ext] | None:
    """The one extension of a kind, or None."""
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def uris(certificate: x509.Certificate) -> list[str]:
    """Its URI SANs, in order."""
    found = extension(certificate, x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.UniformResourceIdentifier) if found else []


def split_id(text: str) -> tuple[str, str] | None:
    """A SPIFFE ID's trust domain and path (with its slash, or empty); None if it is no SPIFFE ID."""
    match = _ID.fullmatch(text)
    if match is None or len(text.encode()) > _ID_BYTES or any(s in {".", ".."} for s in match[2].split("/")):
        return None
    return match[1], match[2]


def anyone(certificate: x509.Certificate, now: datetime) -> Iterator[str]:
    """What every certificate of ours must keep."""
    if certificate.version is not x509.Version.v3:
        yield "it is not an X.509 version 3 certificate"
    if certificate.serial_number <= 0 or certificate.serial_number.bit_length() > _SERIAL_BITS:
        yield "its serial number is not a positive number of at most 20 octets"
    if not isinstance(certificate.signature_hash_algorithm, _HASHES):
        yield "it is not signed over SHA-256, SHA-384 or SHA-512"
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        yield f"it is valid from {start:%FT%TZ} to {end:%FT%TZ}, and now is {now:%FT%TZ}"
    for held in certificate.extensions:
        if held.oid not in _KNOWN:
            yield f"it has an extension that we never write, {held.oid.dotted_string}"
    alternative = extension(certificate, x509.SubjectAlternativeName)
    if alternative and not list(certificate.subject) and not alternative.critical:
        yield "its subject is empty and its alternative name not critical"
    if not list(certificate.issuer):
        yield "its issuer has no name"


def our_key(certificate: x509.Certificate) -> Iterator[str]:
    """Keys of our own making; a customer's root may have another."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        yield "its key is not EC P-256 or P-384"


def authority(certificate: x509.Certificate, path_length: int) -> Iterator[str]:
    """A signing certificate: CA:true with this path length, keyCertSign and cRLSign only, no purposes."""
    basic = extension(certificate, x509.BasicConstraints)
    if basic is None or not basic.critical or not basic.value.ca:
        yield "it is not marked as a CA"
    elif basic.value.path_length != path_length:
        yield f"its path length is {basic.value.path_length}, not {path_length}"
    usage = extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or _used(usage.value) != {"key_cert_sign", "crl_sign"}:
        yield "its key usage is not keyCertSign and cRLSign"
    if extension(certificate, x509.SubjectKeyIdentifier) is None:
        yield "it has no subject key identifier"
    if extension(certificate, x509.ExtendedKeyUsage) is not None:
        yield "a CA of ours has no extended key usage"
    if not list(certificate.subject):
        yield "it signs, and has no name"


def parent(certificate: x509.Certificate) -> Iterator[str]:
    """A CA that may sign CAs. RFC 5280 §4.2.1.9 does not count a path's last certificate, so OpenSSL does not look."""
    basic = extension(certificate, x509.BasicConstraints)
    if basic is None or not basic.value.ca or basic.value.path_length == 0:
        yield "its issuer may not sign another CA"


def end_entity(certificate: x509.Certificate, *, server: bool, client: bool) -> Iterator[str]:
    """A leaf: CA:false, digitalSignature only, exactly these purposes, no subject."""
    basic = extension(certificate, x509.BasicConstraints)
    if basic is not None and (basic.value.ca or basic.value.path_length is not None):
        yield "it is marked as a CA"
    usage = extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or _used(usage.value) != {"digital_signature"}:
        yield "its key usage is not digitalSignature alone"
    purposes = extension(certificate, x509.ExtendedKeyUsage)
    wanted = {ExtendedKeyUsageOID.SERVER_AUTH: server, ExtendedKeyUsageOID.CLIENT_AUTH: client}
    if set(purposes.value if purposes else ()) != {oid for oid, yes in wanted.items() if yes}:
        yield "its extended key usage is not what it is for"
    if extension(certificate, x509.AuthorityKeyIdentifier) is None:
        yield "it has no authority key identifier"
    if list(certificate.subject):
        yield "its subject is not empty: who it is stands in the alternative name alone"


def identity(certificate: x509.Certificate, *, path: bool, domain: str | None = None) -> Iterator[str]:
    """Exactly one URI SAN, a SPIFFE ID with (leaves) or without (signing certificates) a path, in this trust domain."""
    held = uris(certificate)
    parts = split_id(held[0]) if len(held) == 1 else None
    if parts is None:
        yield f"it must have exactly one SPIFFE ID, it has {held}"
    elif bool(parts[1]) is not path:
        yield "a leaf's SPIFFE ID has a path, a signing certificate's has none"
    elif domain is not None and parts[0] != domain:
        yield f"it belongs to trust domain {parts[0]}, not {domain}"


def _used(usage: x509.KeyUsage) -> set[str]:
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    return {name for name in [*names, "key_cert_sign", "crl_sign"] if getattr(usage, name)}
