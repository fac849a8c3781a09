"""issue: the certificates of one trust domain, each built, signed and then checked by code that did not build it.

The caller gives a public key and an identity it has proven; nothing of a request is copied but the key. A certificate
never outlives its issuer, and begins a little early, because a host whose clock is behind must be able to use it.
An intermediate's SPIFFE ID has no path, as SPIFFE X.509-SVID §4.1 demands of signing certificates; which replica it
belongs to is in its subject.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509

from isthmus.pki import verify
from isthmus.pki.signer import Issuer
from isthmus.pki.template import PublicKey, Template
from isthmus.values import TrustDomain

SKEW = timedelta(minutes=5)
INTERMEDIATE_LIFE = timedelta(days=7)
LEAF_LIFE = timedelta(hours=1)
HOST_LIFE = timedelta(hours=24)


def span(issuer: x509.Certificate, now: datetime, life: timedelta) -> tuple[datetime, datetime]:
    """From when and until when a certificate under `issuer` is valid: whole seconds, within the issuer's own life."""
    whole = now.replace(microsecond=0)
    return max(whole - SKEW, issuer.not_valid_before_utc), min(whole + life, issuer.not_valid_after_utc)


def intermediate(
    root: Issuer,
    domain: TrustDomain,
    replica: str,
    public_key: PublicKey,
    *,
    serial: int,
    now: datetime,
    life: timedelta = INTERMEDIATE_LIFE,
) -> x509.Certificate:
    """The CA with which one agent replica signs leaves: 7 days, path length 0."""
    start, end = span(root.certificate, now, life)
    made = root.signer.issue(
        Template(
            public_key,
            serial,
            start,
            end,
            root.certificate,
            common_name=replica,
            uris=(f"spiffe://{domain.text}",),
            path_length=0,
        )
    )
    with verify.after_signing():
        verify.as_asked(made, public_key, end)
        verify.intermediate(made, [root.certificate], domain.text, now=now)
    return made


def leaf(
    issuer: Issuer,
    spiffe_id: str,
    public_key: PublicKey,
    *,
    serial: int,
    now: datetime,
    life: timedelta = LEAF_LIFE,
    names: Sequence[str] = (),
) -> x509.Certificate:
    """An X.509-SVID: one URI SAN, client and server. `names` (DNS names, IP addresses) let gRPC check a server."""
    start, end = span(issuer.certificate, now, life)
    made = issuer.signer.issue(
        Template(
            public_key,
            serial,
            start,
            end,
            issuer.certificate,
            uris=(spiffe_id,),
            names=tuple(names),
            server=True,
            client=True,
        )
    )
    with verify.after_signing():
        verify.as_asked(made, public_key, end)
        verify.host_names(made, names)
        verify.svid([made], [issuer.certificate], now=now, spiffe_id=spiffe_id)
    return made


def host(
    issuer: Issuer,
    domain: TrustDomain,
    name: str,
    public_key: PublicKey,
    *,
    serial: int,
    now: datetime,
    life: timedelta = HOST_LIFE,
) -> x509.Certificate:
    """What the warden of a host shows to its agents: 24 hours, `spiffe://<domain>/host/<name>`."""
    return leaf(issuer, domain.host(name), public_key, serial=serial, now=now, life=life)


def agent_server(
    issuer: Issuer,
    domain: TrustDomain,
    replica: str,
    names: Sequence[str],
    public_key: PublicKey,
    *,
    serial: int,
    now: datetime,
    life: timedelta = HOST_LIFE,
) -> x509.Certificate:
    """What an agent shows to wardens: 24 hours, `spiffe://<domain>/agent/<replica>` and the names that wardens dial."""
    return leaf(issuer, domain.agent(replica), public_key, serial=serial, now=now, life=life, names=names)
