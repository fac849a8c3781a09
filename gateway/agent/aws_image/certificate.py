"""certificate: the customer's own for the image's port, read again when its files change.

gRPC asks at every handshake, so nothing restarts. Files are replaced one after the other: what does not fit together
yet, or cannot be read, leaves what was good in place.
"""

import logging
import threading
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.edge.lines import line
from isthmus.errors import Invalid

LOG = logging.getLogger("isthmus.agent.aws_image")
_Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """A chain and its key, as PEM files."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._files = (cert, key)
        self._read: _Stamp = ()
        self._lock = threading.Lock()

    def credentials(self) -> grpc.ServerCredentials:
        """What the port is opened with; Invalid if the files are no certificate and its key."""
        self._read, first = self._stamp(), self._pair()
        return grpc.dynamic_ssl_server_credentials(
            first,
            self._again,  # type: ignore[arg-type]  # None means "no change" (grpc's documentation; the stubs forgot it)
            require_client_authentication=False,
        )

    def _again(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC's own threads."""
        with self._lock:
            try:
                stamp = self._stamp()
                if stamp == self._read:
                    return None
                self._read, made = stamp, self._pair()
            except (Invalid, OSError) as error:
                LOG.warning(line("certificate_unusable", files=self._files, why=error))
                return None
            LOG.info(line("certificate_read", cert=self._files[0]))
            return made

    def _stamp(self) -> _Stamp:
        try:
            now = [path.stat() for path in self._files]
        except OSError as missing:
            raise Invalid.one("/aws-image-cert", "unreadable", str(missing)) from missing
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in now)

    def _pair(self) -> grpc.ServerCertificateConfiguration:
        try:
            chain, key = (path.read_bytes() for path in self._files)
            shown = x509.load_pem_x509_certificates(chain)[0].public_key()
            fits = shown == load_pem_private_key(key, None).public_key()
        except (OSError, ValueError, TypeError) as broken:
            raise Invalid.one("/aws-image-cert", "unreadable", f"{broken}") from broken
        if not fits:
            raise Invalid.one("/aws-image-key", "another_key", f"{self._files[1]} is not the key of {self._files[0]}")
        return grpc.ssl_server_certificate_configuration([(key, chain)])
