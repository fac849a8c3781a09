"""authorities: throwaway authorities of tenants, and certificates as App Mesh's TLS wants them: files, with names."""

import datetime as dt
import os
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2

_PEM = serialization.Encoding.PEM


class Pair(NamedTuple):
    """A certificate and its key, as PEM."""

    chain: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> tuple[str, str]:
        """As `<name>.pem` and `<name>.key`, each renamed into place; their paths."""
        return put(folder / f"{name}.pem", self.chain), put(folder / f"{name}.key", self.key)

    def secret(self, name: str) -> secret_pb2.Secret:
        """As SDS serves it."""
        pair = common_pb2.TlsCertificate()
        pair.certificate_chain.inline_bytes, pair.private_key.inline_bytes = self
        return secret_pb2.Secret(name=name, tls_certificate=pair)


class Authority:
    """A root of its own, for names in DNS and URIs."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        made = _built(self._name, self._name, self._key, dt.timedelta(hours=1))
        self._root = made.add_extension(constraint, critical=True).sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        """The root."""
        return self._root.public_bytes(_PEM)

    def issue(self, *names: str, life: dt.timedelta = dt.timedelta(hours=1)) -> Pair:
        """A certificate for names; a URI has `://` in it. A negative life has ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        listed = [x509.UniformResourceIdentifier(n) if "://" in n else x509.DNSName(n) for n in names]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
        made = _built(subject, self._name, key, life)
        if listed:
            made = made.add_extension(x509.SubjectAlternativeName(listed), critical=False)
        leaf = made.sign(self._key, hashes.SHA256())
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Pair(leaf.public_bytes(_PEM), private)

    def secret(self, name: str) -> secret_pb2.Secret:
        """The root as SDS serves it."""
        context = common_pb2.CertificateValidationContext()
        context.trusted_ca.inline_bytes = self.pem
        return secret_pb2.Secret(name=name, validation_context=context)


def put(path: Path, content: bytes) -> str:
    """Renamed into place, as whoever rotates files should; its path."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    os.replace(beside, path)  # noqa: PTH105 - the very call that is meant
    return str(path)


def _built(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + life)
    )
