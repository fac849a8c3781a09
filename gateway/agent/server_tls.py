"""server_tls: what this replica shows to wardens, and whom it lets in.

Made from the intermediate when it is needed and again at half of its life, or when the intermediate or the trusted
roots change; gRPC asks at every handshake, so nothing restarts. The chain ends with the root, because a warden that
enrols knows nothing but its fingerprint.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

import grpc

from gateway.agent.ca import Authority
from gateway.edge.keys import key_pem, new_key
from isthmus.errors import Unavailable
from isthmus.pki import chain

_Made = tuple[bytes, tuple[bytes, ...]]


class ServerTls:
    """One port's credentials. `names`: under which wardens dial; `roots`: those of our own trust domain, now."""

    def __init__(
        self,
        authority: Authority,
        names: Sequence[str],
        roots: Callable[[], Sequence[bytes]],
        clock: Callable[[], datetime],
        *,
        clients: bool,
    ) -> None:
        self._authority, self._names, self._roots = authority, tuple(names), roots
        self._clock, self._clients = clock, clients
        self._made_of: tuple[object, ...] = ()
        self._renew_at = clock()
        self._lock = threading.Lock()

    def credentials(self) -> grpc.ServerCredentials:
        """What a gRPC port is opened with; Unavailable without an intermediate."""
        first = self._fetch()
        assert first is not None, "the first one is always new"
        return grpc.dynamic_ssl_server_credentials(
            first,
            self._again,  # type: ignore[arg-type]  # None means "no change" (grpc's documentation; the stubs forgot it)
            require_client_authentication=self._clients,
        )

    def _again(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC's own threads; without a valid intermediate what it has is all there is."""
        try:
            return self._fetch()
        except Unavailable:
            return None

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        with self._lock:
            held, now, roots = self._authority.held, self._clock(), tuple(self._roots())
            made_of = (held, roots)
            if made_of == self._made_of and now < self._renew_at:
                return None
            key = new_key()
            shown = self._authority.server(key.public_key(), self._names, now)
            assert held is not None, "server() refuses without an intermediate"
            leaf = chain.parse_pem(shown)[0]
            self._made_of, self._renew_at = made_of, now + (leaf.not_valid_after_utc - now) / 2
            root = chain.to_pem([held.root])
            pair = (key_pem(key), shown + root)
            clients = b"".join(dict.fromkeys([root, *roots])) if self._clients else None
            return grpc.ssl_server_certificate_configuration([pair], clients)
