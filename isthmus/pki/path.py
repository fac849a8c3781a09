"""path: does a chain lead to one of these roots, by OpenSSL's strict reading of RFC 5280 §6.

OpenSSL is another implementation than the one that builds our certificates, and the roots given are the only ones it
sees: each is an anchor, self-signed or not, so that an agent can check a leaf against its own intermediate.
"""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from OpenSSL import crypto

from isthmus.pki.chain import Untrusted, check_limits

_FLAGS = crypto.X509StoreFlags.X509_STRICT | crypto.X509StoreFlags.PARTIAL_CHAIN


def leads(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime) -> None:
    """Untrusted unless `chain` (leaf first) ends in one of `roots` and every certificate on the way is valid now."""
    if not chain:
        raise Untrusted("there is no certificate")
    check_limits(chain)
    store = crypto.X509Store()
    store.set_flags(_FLAGS)
    store.set_time(now)
    for root in roots:
        store.add_cert(crypto.X509.from_cryptography(root))
    leaf, *between = (crypto.X509.from_cryptography(certificate) for certificate in chain)
    try:
        crypto.X509StoreContext(store, leaf, between).verify_certificate()
    except crypto.X509StoreContextError as wrong:
        raise Untrusted(f"it does not lead to a trusted root: {wrong.args[0]}") from wrong
