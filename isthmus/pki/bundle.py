"""bundle: the roots of one trust domain, as others need them to believe its workloads.

Bundles of different domains are never merged: a bundle is a value of one domain, and a root that names another domain
cannot enter it. The order of the roots means nothing, so they are kept sorted and equal sets have equal bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography import x509

from isthmus.errors import Invalid
from isthmus.pki import rules
from isthmus.pki.chain import check_limits, parse_pem, to_der, to_pem
from isthmus.values import TrustDomain

ROOTS = 16
"""At most this many at once: a rotation has two, and a set that only grows is a mistake somewhere."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trust domain and its roots, sorted by their DER. No roots: everything of this domain is refused."""

    domain: TrustDomain
    roots: tuple[x509.Certificate, ...]

    @classmethod
    def of(cls, domain: TrustDomain, roots: Iterable[x509.Certificate]) -> Self:
        """A bundle; Invalid if a certificate is no CA or names another trust domain, or if there are too many."""
        distinct = {to_der(root): root for root in roots}
        if len(distinct) > ROOTS:
            raise Invalid.one("/roots", "too_many_roots", f"a bundle has at most {ROOTS} roots, not {len(distinct)}")
        for root in distinct.values():
            _check(domain, root)
        return cls(domain, tuple(distinct[der] for der in sorted(distinct)))

    @classmethod
    def of_pem(cls, domain: TrustDomain, texts: Iterable[bytes]) -> Self:
        """The inverse of `pem`; each text holds one certificate or a few."""
        return cls.of(domain, (root for text in texts for root in parse_pem(text)))

    @property
    def pem(self) -> bytes:
        """The roots one after another."""
        return to_pem(self.roots)

    @property
    def pems(self) -> tuple[bytes, ...]:
        """Each root by itself, as the link carries them."""
        return tuple(to_pem([root]) for root in self.roots)

    @property
    def version(self) -> str:
        """16 hex digits that name this content."""
        out = sha256(self.domain.text.encode())
        for root in self.roots:
            out.update(sha256(to_der(root)).digest())
        return out.hexdigest()[:16]


def _check(domain: TrustDomain, root: x509.Certificate) -> None:
    """A root without a SPIFFE ID may come from outside (X.509-SVID §4.1); one with an ID must be of this domain."""
    check_limits([root])
    basic = rules.extension(root, x509.BasicConstraints)
    if basic is None or not basic.value.ca:
        raise Invalid.one("/roots", "not_a_ca", "a root must be marked as a CA")
    wrong = list(rules.identity(root, path=False, domain=domain.text)) if rules.uris(root) else []
    if wrong:
        raise Invalid.one("/roots", "other_trust_domain", f"a root of {domain.text}: {wrong[0]}")
