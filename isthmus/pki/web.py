"""web: server certificates for domains, under an authority of the tenant's own, as ACM's private ones were.

They name hosts, not workloads: no SPIFFE ID, and no use inside the mesh's own trust. A client finds the root in the
managed authority. 13 months is what ACM issued for; whoever wants shorter lives says so.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509

from isthmus.errors import Violation
from isthmus.pki import path, rules, verify
from isthmus.pki.chain import Untrusted
from isthmus.pki.issue import SKEW, span
from isthmus.pki.signer import Issuer, Signer
from isthmus.pki.template import PublicKey, Template

ROOT_LIFE = timedelta(days=3650)
LIFE, SHORTEST = timedelta(days=395), timedelta(hours=1)
MOST_DOMAINS = 100
"""ACM's limit for one certificate, with its quota raised."""

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})+")
_LONGEST = 253


def wrong_domain(text: str, pointer: str) -> Violation | None:
    """What is wrong with a domain: lower case, two labels at least, a wildcard as the whole first label only."""
    if _DOMAIN.fullmatch(text) and len(text) <= _LONGEST:
        return None
    return Violation(pointer, "not_a_domain", f"{text!r} is not a domain such as www.example.com or *.example.com")


def root(signer: Signer, name: str, *, serial: int, now: datetime, life: timedelta = ROOT_LIFE) -> x509.Certificate:
    """A self-signed root that signs server certificates and no other authority; `name` is its common name."""
    whole = now.replace(microsecond=0)
    made = signer.issue(
        Template(signer.public_key, serial, whole - SKEW, whole + life, common_name=name, path_length=0)
    )
    with verify.after_signing():
        verify.as_asked(made, signer.public_key, whole + life)
        _checked(*rules.anyone(made, now), *rules.our_key(made), *rules.authority(made, 0))
        path.leads([made], [made], now)
    return made


def leaf(
    issuer: Issuer, domains: Sequence[str], key: PublicKey, *, serial: int, now: datetime, life: timedelta = LIFE
) -> x509.Certificate:
    """A certificate for these domains, for servers and clients; it ends with its issuer at the latest."""
    start, end = span(issuer.certificate, now, life)
    made = issuer.signer.issue(
        Template(key, serial, start, end, issuer.certificate, names=tuple(domains), server=True, client=True)
    )
    with verify.after_signing():
        verify.as_asked(made, key, end)
        verify.host_names(made, domains)
        _checked(*rules.anyone(made, now), *rules.our_key(made), *rules.end_entity(made, server=True, client=True))
        _checked(*(["a server's certificate names a workload"] if rules.uris(made) else []))
        path.leads([made], [issuer.certificate], now)
    return made


def _checked(*wrong: str) -> None:
    if wrong:
        raise Untrusted("; ".join(wrong))
