"""Bundles in SPIFFE's own form: every root under its own trust domain, its key said as JWK."""

import base64
import datetime as dt
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from isthmus.pki.spiffe_bundles import bundle_map

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def root(key: Key) -> x509.Certificate:
    name, now = x509.Name([]), dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    return made.sign(key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=="))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=lambda c: c.name)
def test_every_domain_has_its_own_roots(curve: ec.EllipticCurve) -> None:
    keys = [ec.generate_private_key(curve) for _ in range(3)]
    made = [root(key) for key in keys]
    said = json.loads(bundle_map({"east": pem(made[0]) + pem(made[1]), "west": pem(made[2])}))["trust_domains"]
    listed = [(domain, key) for domain in ("east", "west") for key in said[domain]["keys"]]
    assert [domain for domain, _ in listed] == ["east", "east", "west"]
    for (_, jwk), key, certificate in zip(listed, keys, made, strict=True):
        numbers = key.public_key().public_numbers()
        assert (number(jwk["x"]), number(jwk["y"])) == (numbers.x, numbers.y)
        assert len(base64.urlsafe_b64decode(jwk["x"] + "==")) == (curve.key_size + 7) // 8, "RFC 7518 §6.2.1.2"
        assert (jwk["kty"], jwk["use"]) == ("EC", "x509-svid")
        (der,) = jwk["x5c"]
        assert x509.load_der_x509_certificate(base64.b64decode(der)) == certificate


def test_a_root_may_be_rsa() -> None:
    key = rsa.generate_private_key(65537, 2048)
    (jwk,) = json.loads(bundle_map({"east": pem(root(key))}))["trust_domains"]["east"]["keys"]
    numbers = key.public_key().public_numbers()
    assert (jwk["kty"], number(jwk["n"]), number(jwk["e"])) == ("RSA", numbers.n, numbers.e)


def test_a_curve_without_a_short_name_keeps_its_own() -> None:
    key = ec.generate_private_key(ec.SECP256K1())
    (jwk,) = json.loads(bundle_map({"east": pem(root(key))}))["trust_domains"]["east"]["keys"]
    assert jwk["crv"] == "secp256k1"
