"""csr: a certificate request is a proof that somebody holds a key, and nothing else.

Names, extensions and attributes in it are claims of the requester, so none is ever read; the public key is all that
comes out. The size is bounded before anything is parsed.
"""

from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from isthmus.errors import Invalid
from isthmus.pki.template import PrivateKey, PublicKey

LIMIT = 2048  # bytes; a P-384 request without extensions takes about 300
_CURVES = (ec.SECP256R1, ec.SECP384R1)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def parse(der: bytes, pointer: str = "/csr_der") -> PublicKey:
    """The key that the requester has proven to hold: EC P-256 or P-384. Invalid for everything else."""
    if len(der) > LIMIT:
        raise Invalid.one(pointer, "csr_too_large", f"a request has at most {LIMIT} bytes, this one has {len(der)}")
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        algorithm = request.signature_hash_algorithm
    except Exception as broken:  # the parser has many kinds of "unreadable", and a new one must not become our bug
        raise Invalid.one(pointer, "csr_unreadable", "this is no PKCS #10 request in DER") from broken
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise Invalid.one(pointer, "csr_key_not_allowed", "the key must be EC P-256 or P-384")
    if not isinstance(algorithm, _HASHES):
        raise Invalid.one(
            pointer, "csr_hash_not_allowed", "the request must be signed over SHA-256, SHA-384 or SHA-512"
        )
    if not _proven(request):
        raise Invalid.one(pointer, "csr_not_proven", "the request's signature is not by its own key")
    return key


def _proven(request: x509.CertificateSigningRequest) -> bool:
    try:
        return request.is_signature_valid
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False


def make(key: PrivateKey) -> bytes:
    """A request in DER that holds the key and its proof: there is nothing else worth sending."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def key_sha256(key: PublicKey) -> bytes:
    """32 bytes that name a key: the SHA-256 of its SubjectPublicKeyInfo."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).digest()
