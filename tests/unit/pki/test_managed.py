"""Managed certificates: what we issue for domains, what a tenant may bring along, when each is renewed or warned of."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from isthmus.errors import Invalid
from isthmus.pki import foreign, path, renewal, web
from isthmus.pki.chain import Untrusted, to_pem
from isthmus.pki.signer import Issuer, KeySigner
from tests.unit.pki.making import NOW, key, lying

DOMAINS = ("shop.example", "*.shop.example")
DAY = timedelta(days=1)


def authority(now: datetime = NOW) -> Issuer:
    signer = KeySigner(key())
    return Issuer(signer, web.root(signer, "Shop", serial=1, now=now))


def leaf(under: Issuer, **more: object) -> x509.Certificate:
    return web.leaf(under, DOMAINS, key().public_key(), serial=2, now=NOW, **more)  # type: ignore[arg-type]


def codes(act: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        act()
    return [(v.pointer, v.code) for v in refused.value.violations]


def test_a_leaf_is_for_its_domains_for_13_months_and_leads_to_its_root() -> None:
    ca = authority()
    made = leaf(ca)
    path.leads([made], [ca.certificate], NOW + 394 * DAY)
    assert (foreign.names_of(made), made.not_valid_after_utc) == (DOMAINS, NOW + 395 * DAY)
    with pytest.raises(Untrusted):
        path.leads([made], [authority().certificate], NOW)


def test_a_leaf_does_not_outlive_its_root() -> None:
    ca = authority(NOW - 3600 * DAY)
    assert leaf(ca).not_valid_after_utc == ca.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    "changed", [{"names": ("evil.example",)}, {"path_length": 0, "common_name": "x"}, {"uris": ("spiffe://a/b",)}]
)
def test_a_signer_that_signs_something_else_is_found_out(changed: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="breaks the rules"):
        leaf(lying(authority(), **changed))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("www.example.com", True), ("*.example.com", True), ("xn--bcher-kva.example", True), ("a.b", True),
        ("example", False), ("*.com.*", False), ("w*.example.com", False), ("*", False), ("A.example", False),
        ("-a.example", False), ("a..example", False), ("1.2.3.4/x", False), ("a" * 64 + ".example", False),
        (".".join(["a" * 60] * 5), False), ("a.example\n", False),
    ],
)  # fmt: skip
def test_domains(text: str, *, good: bool) -> None:
    assert (web.wrong_domain(text, "/domains/0") is None) is good


def pem(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return foreign.key_pem(private)


def brought(*, days: int = 90, start: datetime = NOW - DAY, private: rsa.RSAPrivateKey | None = None) -> bytes:
    """A self-signed certificate with a common name only, as old tools make it; its key's PEM follows it."""
    own = private or key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old.example")])
    made = x509.CertificateBuilder(name, name, own.public_key(), 7, start, start + days * DAY)
    return to_pem([made.sign(own, hashes.SHA256())]) + pem(own)


def halves(both: bytes) -> tuple[bytes, bytes]:
    chain, _, rest = both.partition(b"-----BEGIN PRIVATE")
    return chain, b"-----BEGIN PRIVATE" + rest


def test_a_pair_is_taken_with_what_its_leaf_says() -> None:
    ca, own = authority(), key()
    made = web.leaf(ca, DOMAINS, own.public_key(), serial=0xAB, now=NOW)
    found = foreign.pair(to_pem([made, ca.certificate]), pem(own), NOW)
    assert (found.domains, found.serial, found.not_after) == (DOMAINS, "ab", NOW + 395 * DAY)
    assert foreign.pair(*halves(brought()), NOW).domains == ("old.example",)


def test_what_cannot_work_is_refused_with_every_reason() -> None:
    ca, own = authority(), key()
    made = web.leaf(ca, DOMAINS, own.public_key(), serial=2, now=NOW)
    stranger = to_pem([made, authority().certificate])
    assert codes(lambda: foreign.pair(stranger, pem(key()), NOW)) == [
        ("/chain", "chain_broken"),
        ("/private_key", "not_the_key"),
    ]
    assert codes(lambda: foreign.pair(*halves(brought(days=1, start=NOW - 2 * DAY)), NOW)) == [
        ("/chain", "not_valid_now")
    ]


@pytest.mark.parametrize(
    ("chain", "private", "expected"),
    [
        (b"no certificate", None, ("/chain", "certificate_refused")),
        (b"x" * 70_000, None, ("/chain", "certificate_refused")),
        (None, b"no key", ("/private_key", "key_unreadable")),
        (None, b"x" * 20_000, ("/private_key", "too_large")),
        (None, pem(rsa.generate_private_key(65537, 1024)), ("/private_key", "key_not_allowed")),  # noqa: S505 - refused
        (None, pem(key(ec.SECP256K1())), ("/private_key", "key_not_allowed")),
    ],
    ids=["no certificate", "too long", "no key", "key too long", "RSA too small", "another curve"],
)
def test_bounds_come_first(chain: bytes | None, private: bytes | None, expected: tuple[str, str]) -> None:
    good = halves(brought())
    assert codes(lambda: foreign.pair(chain or good[0], private or good[1], NOW)) == [expected]


def test_five_certificates_are_no_chain() -> None:
    chain, private = halves(brought())
    assert codes(lambda: foreign.pair(chain * 5, private, NOW)) == [("/chain", "certificate_refused")]


def test_a_key_with_a_password_is_refused() -> None:
    chain, _ = halves(brought())
    kept = serialization.BestAvailableEncryption(b"secret")
    locked = key().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kept)
    assert codes(lambda: foreign.pair(chain, locked, NOW)) == [("/private_key", "key_unreadable")]


def test_roots_are_authorities_that_are_valid_now() -> None:
    ca = authority()
    assert foreign.roots(to_pem([ca.certificate]), NOW) == (ca.certificate,)
    assert codes(lambda: foreign.roots(to_pem([ca.certificate, leaf(ca)]), NOW)) == [("/roots", "not_a_ca")]
    assert codes(lambda: foreign.roots(to_pem([ca.certificate]), NOW + 5000 * DAY)) == [("/roots", "not_valid_now")]


def test_a_certificate_of_13_months_is_renewed_after_263_days() -> None:
    end = NOW + 395 * DAY
    at = renewal.renew_at(NOW, end)
    assert (at - NOW).days == 263
    assert [renewal.overdue(NOW, end, when) for when in (at - DAY, at)] == [False, True]


@pytest.mark.parametrize(
    ("left", "said"),
    [(61, None), (60, 60), (31, 60), (30, 30), (8, 30), (7, 7), (0, 7), (-1, None)],
)
def test_warnings(left: int, said: int | None) -> None:
    assert renewal.warning(NOW + left * DAY, NOW) == said


def test_failures_wait_longer_and_longer_but_no_longer_than_six_hours() -> None:
    waits = [renewal.retry_after(n).total_seconds() for n in (0, 1, 2, 3, 30)]
    assert waits == [10, 10, 20, 40, 21600]
