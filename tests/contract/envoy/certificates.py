"""certificates: throwaway trust domains of the tests: a root each, and leaves with one SPIFFE ID."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.xds import secrets
from isthmus.xds.snapshot import Resource

_PEM = serialization.Encoding.PEM


class Domain:
    """A trust domain with a root of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        number = x509.NameAttribute(NameOID.SERIAL_NUMBER, str(x509.random_serial_number()))
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), number])  # as `pki.template` has it
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # noqa: FBT003
        self._root = (
            self._builder(self._subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(_uri(f"spiffe://{name}"), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The root."""
        return self._root.public_bytes(_PEM)

    def identity(self, uri: str) -> Resource:
        """The `identity` secret of a workload."""
        return secrets.identity(*self.leaf(uri))

    def leaf(self, uri: str, *, at: dt.datetime | None = None) -> tuple[bytes, bytes]:
        """A workload's certificate and key, as PEM; good for an hour, which began now if nothing is said."""
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self.signed(uri, key.public_key(), at=at), private

    def signed(
        self,
        uri: str,
        key: ec.EllipticCurvePublicKey,
        life: dt.timedelta = dt.timedelta(hours=1),
        at: dt.datetime | None = None,
    ) -> bytes:
        """A workload's certificate for a key of its own, as PEM, which ends after `life`."""
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)  # noqa: FBT003
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        leaf = (
            self._builder(x509.Name([]), key, at, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(both, critical=False)
            .add_extension(_uri(uri), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return leaf.public_bytes(_PEM)

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        at: dt.datetime | None = None,
        life: dt.timedelta = dt.timedelta(hours=1),
    ) -> x509.CertificateBuilder:
        now = at or dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + life)
        )


def _uri(uri: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
