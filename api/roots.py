"""roots: a new cluster's root certificate, its key sealed before it touches the store."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from isthmus.adapters.local_signer import new_root
from isthmus.adapters.sealer import Sealer
from isthmus.values import TrustDomain


@dataclass(frozen=True, slots=True)
class Root:
    """A root as `store.authorities` keeps it: certificate in DER."""

    certificate: bytes
    sealed_key: bytes
    not_after: datetime


class Roots:
    """Makes roots with the local signer."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def make(self, domain: TrustDomain, now: datetime) -> Root:
        """A self-signed root of a trust domain."""
        certificate, sealed = new_root(domain, self._sealer, now)
        der = certificate.public_bytes(Encoding.DER)
        return Root(der, sealed, certificate.not_valid_after_utc)


def ca_pin(path: Path) -> str:
    """How an agent is told which CA its hub must chain to: `sha256:` and the digest of the certificate's DER."""
    der = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    return "sha256:" + hashlib.sha256(der).hexdigest()
