"""authority: a trust domain's root, and the states that it passes through.

A root signs only its cluster's agent intermediates (path length 1 leaves room for exactly those), lives a year, and is
in every bundle from `prepared` until it is `revoked`, so that new roots are known before anything is signed by them.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509

from isthmus.pki import verify
from isthmus.pki.issue import SKEW
from isthmus.pki.signer import Signer
from isthmus.pki.template import Template
from isthmus.values import TrustDomain

ROOT_LIFE = timedelta(days=365)


class State(StrEnum):
    """How far an authority's life has come (design §1)."""

    PREPARED = "prepared"
    ACTIVE = "active"
    OLD = "old"
    TAINTED = "tainted"
    REVOKED = "revoked"

    @property
    def signs(self) -> bool:
        """New intermediates come from the active authority alone."""
        return self is State.ACTIVE

    @property
    def trusted(self) -> bool:
        """Whether bundles hold it: a tainted root stays until what it signed is replaced, a revoked one does not."""
        return self is not State.REVOKED


def create(
    signer: Signer, domain: TrustDomain, *, serial: int, now: datetime, life: timedelta = ROOT_LIFE
) -> x509.Certificate:
    """A self-signed root for a trust domain: ECDSA P-256 or P-384, path length 1, URI SAN `spiffe://<domain>`."""
    start = now.replace(microsecond=0) - SKEW
    root = signer.issue(
        Template(
            signer.public_key,
            serial,
            start,
            now.replace(microsecond=0) + life,
            common_name=domain.text,
            uris=(f"spiffe://{domain.text}",),
            path_length=1,
        )
    )
    with verify.after_signing():
        verify.authority(root, domain.text, now=now)
    return root
