"""credentials: the hub's own certificates, made at start from the link CA and replaced at half of their life.

The whole chain is presented, the CA with it, because an agent that enrols knows nothing but the CA's fingerprint and
must find it there. Keys live in memory only.

gRPC asks us at every handshake, and every answer makes it a new TLS context with new ticket keys. That is how session
resumption is turned off, for which it has no option: a session resumed from a ticket would skip the check of the
client's certificate (SPIRE 1.14.3), and no ticket opens under another context's keys.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from isthmus.pki import link_ca
from isthmus.pki.chain import to_pem
from isthmus.pki.signer import Issuer


class HubCertificate:
    """One port's certificate for the names under which agents dial it. `clients`: whether they must show one too."""

    def __init__(self, ca: Issuer, names: Sequence[str], clock: Callable[[], datetime], *, clients: bool) -> None:
        self._ca = ca
        self._names = tuple(names)
        self._clock = clock
        self._clients = clients
        self._renew_at = clock()
        self._current = self._make()

    def credentials(self) -> grpc.ServerCredentials:
        """What a gRPC port is opened with."""
        return grpc.dynamic_ssl_server_credentials(
            self._current, self._fetch, require_client_authentication=self._clients
        )

    def _fetch(self) -> grpc.ServerCertificateConfiguration:
        """Called by gRPC's own threads at every handshake."""
        if self._clock() >= self._renew_at:
            self._current = self._make()
        return self._current

    def _make(self) -> grpc.ServerCertificateConfiguration:
        now = self._clock()
        key = ec.generate_private_key(ec.SECP256R1())
        made = link_ca.server(self._ca, self._names, key.public_key(), serial=x509.random_serial_number(), now=now)
        self._renew_at = now + (made.not_valid_after_utc - now) / 2
        root = to_pem([self._ca.certificate])
        pair = (_pem(key), to_pem([made]) + root)
        return grpc.ssl_server_certificate_configuration([pair], root if self._clients else None)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
