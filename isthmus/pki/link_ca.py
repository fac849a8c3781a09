"""link CA: who may speak on the link between agents and hubs, apart from every workload's trust.

An agent's credential inside the trust domain that the agent signs for could be minted by a stolen intermediate, and
eviction would mean nothing. So this CA is in no workload bundle and signs two kinds of certificates, each useless as
the other: an agent replica's (client only, its `AgentId`, 24 h) and a hub's (server only, names, no SPIFFE ID).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from isthmus.pki import verify
from isthmus.pki.chain import Untrusted
from isthmus.pki.issue import SKEW, span
from isthmus.pki.signer import Issuer, Signer
from isthmus.pki.template import PrivateKey, PublicKey, Template
from isthmus.values import BASE_DOMAIN, AgentId, dns_label

CA_LIFE = timedelta(days=3650)
AGENT_LIFE = timedelta(hours=24)
SERVER_LIFE = timedelta(days=7)
GRACE = timedelta(days=30)
"""How long after its end a certificate may still be renewed: design-notes 6, a long outage strands nobody."""


def create(
    signer: Signer, *, serial: int, now: datetime, base: str = BASE_DOMAIN, life: timedelta = CA_LIFE
) -> x509.Certificate:
    """The self-signed link CA of an installation: path length 0, `spiffe://<base domain>`."""
    whole = now.replace(microsecond=0)
    root = signer.issue(
        Template(
            signer.public_key,
            serial,
            whole - SKEW,
            whole + life,
            common_name=f"link {base}",
            uris=(f"spiffe://{base}",),
            path_length=0,
        )
    )
    with verify.after_signing():
        verify.as_asked(root, signer.public_key, whole + life)
        verify.link_authority(root, base, now=now)
    return root


def agent(
    ca: Issuer,
    who: AgentId,
    public_key: PublicKey,
    *,
    serial: int,
    now: datetime,
    base: str = BASE_DOMAIN,
    life: timedelta = AGENT_LIFE,
) -> x509.Certificate:
    """An agent replica's client certificate. Invalid if its name is no DNS label: it becomes a path segment."""
    dns_label(who.replica, "/replica", "a replica's name")
    start, end = span(ca.certificate, now, life)
    made = ca.signer.issue(Template(public_key, serial, start, end, ca.certificate, uris=(who.uri(base),), client=True))
    with verify.after_signing():
        verify.as_asked(made, public_key, end)
        found = verify.link_agent(made, ca.certificate, base, now=now)
        assert found == who, f"a certificate for {who} names {found}"
    return made


def server(
    ca: Issuer,
    names: Sequence[str],
    public_key: PublicKey,
    *,
    serial: int,
    now: datetime,
    life: timedelta = SERVER_LIFE,
) -> x509.Certificate:
    """A hub's certificate for the DNS names and IP addresses under which agents dial it."""
    start, end = span(ca.certificate, now, life)
    made = ca.signer.issue(Template(public_key, serial, start, end, ca.certificate, names=tuple(names), server=True))
    with verify.after_signing():
        verify.as_asked(made, public_key, end)
        verify.link_server(made, ca.certificate, names, now=now)
    return made


def fingerprint(certificate: x509.Certificate) -> str:
    """How a CA is pinned on a command line: `sha256:` and the hex digest of its DER."""
    return f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"


def pinned(chain: Sequence[x509.Certificate], pin: str) -> x509.Certificate:
    """The certificate of a presented chain that `pin` names. Untrusted if none is: then this is not our hub."""
    for certificate in chain:
        if fingerprint(certificate) == pin.lower():
            return certificate
    raise Untrusted(f"the chain presented holds no certificate with the pinned fingerprint {pin}")


def prove(key: PrivateKey, csr_der: bytes) -> bytes:
    """A renewal's proof that the holder of the old certificate asks for the new one."""
    return key.sign(csr_der, ec.ECDSA(hashes.SHA256()))


def certified_key(certificate: x509.Certificate) -> PublicKey:
    """The key that a link certificate is for; `verify.link_agent` comes first, and lets only EC keys pass."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey), "verify.link_agent comes first"
    return key


def check_proof(certificate: x509.Certificate, csr_der: bytes, proof: bytes) -> None:
    """Untrusted unless `proof` is by the certificate's key over `csr_der`."""
    try:
        certified_key(certificate).verify(proof, csr_der, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as wrong:
        raise Untrusted("the proof is not by the key of the certificate to be renewed") from wrong
