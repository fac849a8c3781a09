"""roots: a new cluster's root certificate, its key sealed before it touches the store."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from isthmus.adapters.local_signer import new_key
from isthmus.adapters.sealer import Sealer
from isthmus.pki import authority, chain, link_ca
from isthmus.store.authorities import sealing_context
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
        signer, sealed = new_key(self._sealer, sealing_context(domain.text))
        made = authority.create(signer, domain, serial=x509.random_serial_number(), now=now)
        return Root(chain.to_der(made), sealed, made.not_valid_after_utc)


def ca_pin(path: Path) -> str:
    """How an agent is told which CA its hub must chain to: `sha256:` and the digest of the certificate's DER."""
    return link_ca.fingerprint(chain.parse_pem(path.read_bytes())[0])
