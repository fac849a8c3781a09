"""spiffe_bundles: the bundles of several trust domains in SPIFFE's own form (SPIFFE Trust Domain and Bundle §4).

One JSON Web Key Set a domain, so that nobody can take one domain's roots for another's. A key is a root: `x5c` holds
the certificate, the other members say its public key again, as RFC 7517 and RFC 7518 §6 want it.
"""

import base64
import json
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from isthmus.pki.chain import parse_pem

REFRESH_HINT = 1
"""Seconds after which to look again."""

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}

Json = dict[str, object]


def bundle_map(domains: Mapping[str, bytes]) -> bytes:
    """Trust domain → its roots as PEM, as a SPIFFE bundle map."""
    said = {
        domain: {
            "spiffe_sequence": 1,
            "spiffe_refresh_hint": REFRESH_HINT,
            "keys": [_key(root) for root in parse_pem(pem)],
        }
        for domain, pem in sorted(domains.items())
    }
    return json.dumps({"trust_domains": said}, sort_keys=True, indent=1).encode()


def _key(root: x509.Certificate) -> Json:
    der = base64.b64encode(root.public_bytes(Encoding.DER)).decode()
    return {"use": "x509-svid", "x5c": [der], **_public(root)}


def _public(root: x509.Certificate) -> Json:
    """`parse_pem` lets no other keys in. A curve without a name in RFC 7518 keeps its own."""
    key = root.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        of, size = key.public_numbers(), (key.key_size + 7) // 8
        return {
            "kty": "EC",
            "crv": _CURVES.get(key.curve.name, key.curve.name),
            "x": _number(of.x, size),
            "y": _number(of.y, size),
        }
    assert isinstance(key, rsa.RSAPublicKey), "keys are EC or RSA"
    numbers = key.public_numbers()
    return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}


def _number(value: int, size: int | None = None) -> str:
    length = (value.bit_length() + 7) // 8 if size is None else size
    return base64.urlsafe_b64encode(value.to_bytes(length, "big")).rstrip(b"=").decode()
