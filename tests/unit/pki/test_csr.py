"""A request proves a key and carries nothing else into a certificate."""

from collections.abc import Callable
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.errors import Invalid
from isthmus.pki import chain, csr, issue, rules
from tests.unit.pki.making import NOW, WEB, intermediate, key, root

Names = list[x509.GeneralName]


def request(
    signer: object, *, names: Names | None = None, ca: bool = False, common_name: str = "", hashed: object = None
) -> bytes:
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    made = builder.sign(signer, hashed)  # type: ignore[arg-type]
    return made.public_bytes(serialization.Encoding.DER)


def tampered() -> bytes:
    der = bytearray(csr.make(key()))
    der[-1] ^= 1
    return bytes(der)


def of_another_key() -> bytes:
    """The key of one request under the signature of another."""
    ours, theirs = csr.make(key()), csr.make(key())
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    swap = [
        x509.load_der_x509_csr(r).public_key().public_bytes(serialization.Encoding.DER, spki) for r in (ours, theirs)
    ]
    return ours.replace(swap[0], swap[1])


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: b"", "csr_unreadable"),
        (lambda: b"\x30\x80", "csr_unreadable"),
        (lambda: csr.make(key()) + b"\0", "csr_unreadable"),
        (lambda: csr.make(key())[:-4], "csr_unreadable"),
        (tampered, "csr_not_proven"),
        (of_another_key, "csr_not_proven"),
        (lambda: request(rsa_key(2048), hashed=hashes.SHA256()), "csr_key_not_allowed"),
        (lambda: request(key(ec.SECP521R1()), hashed=hashes.SHA256()), "csr_key_not_allowed"),
        (lambda: request(key(ec.SECP256K1()), hashed=hashes.SHA256()), "csr_key_not_allowed"),
        (lambda: request(ed25519.Ed25519PrivateKey.generate()), "csr_key_not_allowed"),
        (lambda: request(key(), hashed=hashes.SHA224()), "csr_hash_not_allowed"),
        (lambda: request(key(), names=[x509.DNSName("x" * 250)] * 9, hashed=hashes.SHA256()), "csr_too_large"),
    ],
    ids=[
        "empty",
        "no request",
        "bytes after its end",
        "cut off",
        "a flipped bit",
        "another's key",
        "RSA",
        "P-521",
        "secp256k1",
        "Ed25519",
        "SHA-224",
        "over 2,048 bytes",
    ],
)
def test_a_bad_request_is_refused(make: Callable[[], bytes], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        csr.parse(make())
    assert [v.code for v in refused.value.violations] == [code]


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=["P-256", "P-384"])
def test_the_key_of_a_good_request_comes_out(curve: ec.EllipticCurve) -> None:
    held = key(curve)
    assert csr.parse(csr.make(held)) == held.public_key()


WISHES: list[Names] = [
    [],
    [x509.UniformResourceIdentifier("spiffe://west-1.acme.isthmus.internal/mesh/shop/node/bank")],
    [x509.UniformResourceIdentifier(WEB), x509.UniformResourceIdentifier("spiffe://other/x")],
    [x509.UniformResourceIdentifier("spiffe://EAST-1.acme.isthmus.internal/mesh/shop/node/web")],
    [x509.UniformResourceIdentifier("spiffe://east-1.acme.isthmus.internal/mesh/../node/web")],
    [x509.UniformResourceIdentifier("spiffe://east-1.acme.isthmus.internal/%2e%2e/node/web")],
    [x509.DNSName("*.isthmus.internal"), x509.RFC822Name("root@acme")],
]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_that_a_request_wishes_for_gets_into_a_certificate(seed: int) -> None:
    """Other names, another org's domain, dot segments, upper case, CA:TRUE, purposes: the key is all that is read."""
    random, ca = Random(seed), intermediate(root())
    held = key(random.choice([ec.SECP256R1(), ec.SECP384R1()]))
    wished = request(
        held,
        names=random.choice(WISHES),
        ca=random.random() < 0.5,
        common_name=random.choice(["", "admin", WEB[:60]]),
        hashed=random.choice([hashes.SHA256(), hashes.SHA512()]),
    )
    made = issue.leaf(ca, WEB, csr.parse(wished), serial=9, now=NOW)
    plain = issue.leaf(ca, WEB, held.public_key(), serial=9, now=NOW)
    assert made.tbs_certificate_bytes == plain.tbs_certificate_bytes
    assert rules.uris(made) == [WEB]


def test_a_thousand_mutated_requests_are_refused_and_whole_ones_are_not() -> None:
    """One byte changed anywhere either breaks the request or its proof. One in ten stays whole, and must pass."""
    random, whole = Random(7), csr.make(key())
    passed = refused = 0
    for turn in range(1000):
        der = bytearray(whole)
        if turn % 10:
            der[random.randrange(len(der))] ^= random.randrange(1, 256)
        try:
            csr.parse(bytes(der))
            passed += 1
        except Invalid:
            refused += 1
    assert (passed, refused) == (100, 900)


def test_chains_are_bounded_before_any_signature_is_checked() -> None:
    one = root().certificate
    with pytest.raises(chain.Untrusted, match="at most 4"):
        chain.parse_pem(chain.to_pem([one] * 5))
    with pytest.raises(chain.Untrusted, match="at most 4"):
        chain.parse_der([chain.to_der(one)] * 5)
    with pytest.raises(chain.Untrusted, match="bytes"):
        chain.parse_pem(b"-" * 70_000)
    assert chain.parse_pem(chain.to_pem([one] * 4)) == (one,) * 4
