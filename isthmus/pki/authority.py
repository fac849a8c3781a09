"""authority: the root of a cluster's trust domain, which signs that cluster's agent intermediates and nothing else.

Path length 1 leaves room for exactly those and their leaves, so a stolen intermediate cannot make another one. A year
is long enough for a scheduled rotation (prepared at half of it) to wait for a cluster that is away for months.
"""

from datetime import datetime, timedelta

from cryptography import x509

from isthmus.pki import verify
from isthmus.pki.issue import SKEW
from isthmus.pki.signer import Signer
from isthmus.pki.template import Template
from isthmus.values import TrustDomain

ROOT_LIFE = timedelta(days=365)


def create(
    signer: Signer, domain: TrustDomain, *, serial: int, now: datetime, life: timedelta = ROOT_LIFE
) -> x509.Certificate:
    """A self-signed root for a trust domain: ECDSA P-256 or P-384, path length 1, URI SAN `spiffe://<domain>`."""
    start = now.replace(microsecond=0) - SKEW
    end = now.replace(microsecond=0) + life
    root = signer.issue(
        Template(
            signer.public_key,
            serial,
            start,
            end,
            common_name=domain.text,
            uris=(f"spiffe://{domain.text}",),
            path_length=1,
        )
    )
    with verify.after_signing():
        verify.as_asked(root, signer.public_key, end)
        verify.authority(root, domain.text, now=now)
    return root
