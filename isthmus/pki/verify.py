"""verify: a second opinion on every certificate, after we sign one and whenever one is shown to us.

Signing is where a mistake cannot be taken back, so what was signed is read again by code that shares nothing with what
built it: `rules` for each certificate, `path` for the chain. All functions raise `Untrusted` with everything wrong.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from isthmus.pki import path, rules
from isthmus.pki.chain import Untrusted, check_limits
from isthmus.values import BASE_DOMAIN, AgentId


@contextmanager
def after_signing() -> Iterator[None]:
    """A certificate that we signed and that is refused is our bug, or our signer's, and nothing a caller can mend."""
    try:
        yield
    except Untrusted as wrong:
        raise AssertionError(f"a certificate just signed breaks the rules: {wrong}") from wrong


def authority(root: x509.Certificate, domain: str, *, now: datetime) -> None:
    """A root of ours: self-signed, path length 1, `spiffe://<domain>`."""
    _refuse(
        *rules.anyone(root, now),
        *rules.our_key(root),
        *rules.authority(root, 1),
        *rules.identity(root, path=False, domain=domain),
    )
    if root.issuer != root.subject:
        raise Untrusted("a root is signed by itself")
    path.leads([root], [root], now)
    _signed_by(root, root)


def intermediate(
    certificate: x509.Certificate, roots: Sequence[x509.Certificate], domain: str, *, now: datetime
) -> None:
    """An agent replica's CA: path length 0, in the trust domain whose roots these are."""
    check_limits([certificate])
    _refuse(
        *rules.anyone(certificate, now),
        *rules.our_key(certificate),
        *rules.authority(certificate, 0),
        *rules.identity(certificate, path=False, domain=domain),
        *(wrong for root in roots for wrong in rules.parent(root)),
    )
    path.leads([certificate], roots, now)
    _within(certificate, roots)


def svid(
    chain: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    *,
    now: datetime,
    spiffe_id: str | None = None,
) -> str:
    """The SPIFFE ID that a chain (leaf first) proves, under the roots of its trust domain, which the caller looks up.

    With `spiffe_id` it must be that one. Every signing certificate that has an ID must be of the leaf's domain.
    """
    if not chain:
        raise Untrusted("there is no certificate")
    check_limits(chain)
    leaf, *between = chain
    found = rules.split_id((rules.uris(leaf) or [""])[0])
    _refuse(
        *rules.anyone(leaf, now),
        *rules.our_key(leaf),
        *rules.end_entity(leaf, server=True, client=True),
        *rules.identity(leaf, path=True),
        *(wrong for ca in (*between, *roots) if found for wrong in _same_domain(ca, found[0])),
    )
    path.leads(chain, roots, now)
    _within(leaf, between or roots)
    held = rules.uris(leaf)[0]
    if spiffe_id is not None and held != spiffe_id:
        raise Untrusted(f"it is {held}, not {spiffe_id}")
    return held


def link_authority(root: x509.Certificate, base: str = BASE_DOMAIN, *, now: datetime) -> None:
    """The link CA: self-signed, signs end entities only."""
    _refuse(
        *rules.anyone(root, now),
        *rules.our_key(root),
        *rules.authority(root, 0),
        *rules.identity(root, path=False, domain=base),
    )
    path.leads([root], [root], now)
    _signed_by(root, root)


def link_agent(
    certificate: x509.Certificate,
    link_ca: x509.Certificate,
    base: str = BASE_DOMAIN,
    *,
    now: datetime,
    grace: timedelta = timedelta(0),
) -> AgentId:
    """Which agent replica a link certificate proves; with `grace` also for that long after it has expired."""
    check_limits([certificate])
    at = now if now > certificate.not_valid_after_utc + grace else min(now, certificate.not_valid_after_utc)
    _refuse(
        *rules.anyone(certificate, at),
        *rules.our_key(certificate),
        *rules.end_entity(certificate, server=False, client=True),
        *rules.identity(certificate, path=True, domain=base),
    )
    path.leads([certificate], [link_ca], at)
    try:
        return AgentId.parse(rules.uris(certificate)[0], base)
    except ValueError as wrong:
        raise Untrusted(str(wrong)) from wrong


def link_server(
    certificate: x509.Certificate, link_ca: x509.Certificate, names: Iterable[str], *, now: datetime
) -> None:
    """A hub's certificate: for servers only, no SPIFFE ID, these names."""
    check_limits([certificate])
    _refuse(
        *rules.anyone(certificate, now),
        *rules.our_key(certificate),
        *rules.end_entity(certificate, server=True, client=False),
        *(["a hub has no SPIFFE ID"] if rules.uris(certificate) else []),
    )
    path.leads([certificate], [link_ca], now)
    host_names(certificate, names)


def host_names(certificate: x509.Certificate, names: Iterable[str]) -> None:
    """Untrusted unless its DNS names and addresses are exactly these."""
    found = rules.extension(certificate, x509.SubjectAlternativeName)
    dns = found.value.get_values_for_type(x509.DNSName) if found else []
    addresses = found.value.get_values_for_type(x509.IPAddress) if found else []
    if {*dns, *map(str, addresses)} != {_canonical(name) for name in names}:
        raise Untrusted(f"its names are {[*dns, *map(str, addresses)]}, not {list(names)}")


def as_asked(certificate: x509.Certificate, key: ec.EllipticCurvePublicKey, until: datetime) -> None:
    """Untrusted unless the certificate is for this key and ends at this time."""
    if certificate.public_key() != key:
        raise Untrusted("it certifies another key than the one asked for")
    if certificate.not_valid_after_utc != until:
        raise Untrusted(f"it ends at {certificate.not_valid_after_utc:%FT%TZ}, not at {until:%FT%TZ}")


def _canonical(name: str) -> str:
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _same_domain(ca: x509.Certificate, domain: str) -> Iterator[str]:
    """A signing certificate need not have an ID (SPIFFE X.509-SVID §4.1); one that has belongs to the leaf's domain."""
    return rules.identity(ca, path=False, domain=domain) if rules.uris(ca) else iter(())


def _within(certificate: x509.Certificate, issuers: Sequence[x509.Certificate]) -> None:
    """Nothing outlives what signed it, or it would fail one day without having expired."""
    ends = [i.not_valid_after_utc for i in issuers if i.subject == certificate.issuer]
    if not ends or certificate.not_valid_after_utc > max(ends):
        raise Untrusted("it outlives its issuer")


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """The signature itself: as an anchor, OpenSSL takes a certificate without looking at who signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception as wrong:
        raise Untrusted("its signature does not hold") from wrong


def _refuse(*wrong: str) -> None:
    if wrong:
        raise Untrusted("; ".join(wrong))
