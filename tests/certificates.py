"""Certificates that a tenant has: for these domains, under an authority of their own, valid now."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from isthmus.pki import foreign, web
from isthmus.pki.chain import to_pem
from isthmus.pki.signer import Issuer, KeySigner


def owned(name: str = "theirs", now: datetime | None = None) -> Issuer:
    """An authority whose key is here."""
    signer = KeySigner(ec.generate_private_key(ec.SECP256R1()))
    serial = x509.random_serial_number()
    return Issuer(signer, web.root(signer, name, serial=serial, now=now or datetime.now(UTC)))


def brought(
    *domains: str, under: Issuer | None = None, now: datetime | None = None, life: timedelta = web.LIFE
) -> foreign.Pair:
    """A pair as it would be imported."""
    now, key = now or datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    issuer = under or owned(now=now)
    made = web.leaf(issuer, domains or ("a.example",), key.public_key(), serial=serial, now=now, life=life)
    return foreign.pair(to_pem([made]), foreign.key_pem(key), now)
