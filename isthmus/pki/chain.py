"""chain: certificates from outside, bounded before any signature is checked.

SPIRE 1.14.2 could be kept busy by huge chains and keys: so at most 4 certificates, RSA keys of at most 8192 bits, and
a bound on the bytes before the parser sees them.
"""

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from isthmus.errors import Denied

LENGTH = 4
RSA_BITS = 8192
_BYTES = 64 * 1024


class Untrusted(Denied):
    """A certificate or chain that proves nothing: malformed, out of bounds, against a rule, of no trusted root."""

    code = "certificate_refused"


def parse_pem(text: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file in their order. Untrusted if there are none, too many or too large ones."""
    if len(text) > _BYTES:
        raise Untrusted(f"a chain has at most {_BYTES} bytes")
    try:
        certificates = tuple(x509.load_pem_x509_certificates(text))
    except Exception as broken:  # the parser has many kinds of "unreadable", and a new one must not become our bug
        raise Untrusted("this is no certificate in PEM") from broken
    check_limits(certificates)
    return certificates


def parse_der(ders: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """The same from DER, one certificate each."""
    if len(ders) > LENGTH or sum(map(len, ders)) > _BYTES:
        raise Untrusted(f"a chain has at most {LENGTH} certificates and {_BYTES} bytes")
    try:
        certificates = tuple(x509.load_der_x509_certificate(der) for der in ders)
    except Exception as broken:  # as above
        raise Untrusted("this is no certificate in DER") from broken
    check_limits(certificates)
    return certificates


def to_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Certificates one after another, as Envoy and gRPC read them."""
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def to_der(certificate: x509.Certificate) -> bytes:
    """One certificate in DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def check_limits(certificates: Sequence[x509.Certificate]) -> None:
    """Untrusted if there are more certificates than a chain may have, a key that takes long, or a part unreadable."""
    if len(certificates) > LENGTH:
        raise Untrusted(f"a chain has at most {LENGTH} certificates, this one has {len(certificates)}")
    for certificate in certificates:
        _check_key(certificate)


def _check_key(certificate: x509.Certificate) -> None:
    try:
        key = certificate.public_key()
        _ = certificate.extensions, certificate.signature_hash_algorithm, certificate.subject, certificate.issuer
    except Exception as broken:  # these are parsed only when asked for; the rules may then ask without care
        raise Untrusted("a certificate that cannot be read whole") from broken
    if isinstance(key, rsa.RSAPublicKey) and key.key_size <= RSA_BITS:
        return
    if isinstance(key, ec.EllipticCurvePublicKey):
        return
    raise Untrusted(f"keys are EC, or RSA of at most {RSA_BITS} bits")
