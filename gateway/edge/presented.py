"""presented: the chain that a server shows before anything of it is believed: how a pinned CA is found.

Nothing is sent and nothing is trusted here. gRPC cannot show a chain that it does not trust, so this one handshake is
OpenSSL's own; whoever is behind it is checked again by gRPC, with the pinned CA as its only root.
"""

import socket
import struct

from cryptography import x509
from OpenSSL import SSL

from isthmus.errors import Unavailable
from isthmus.hostport import parted
from isthmus.pki import chain

_SECONDS = 10


def presented(address: str) -> tuple[x509.Certificate, ...]:
    """The certificates that the server at host:port shows, within our limits. Blocks; Unavailable without an answer."""
    shown = _shown(address)
    chain.check_limits(shown)
    return shown


def _shown(address: str) -> tuple[x509.Certificate, ...]:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_alpn_protos([b"h2"])  # gRPC's servers refuse a client that does not offer it
    try:
        with socket.create_connection(parted(address), _SECONDS) as plain:
            plain.settimeout(None)  # OpenSSL wants a blocking socket; the kernel keeps the time
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                plain.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", _SECONDS, 0))
            connection = SSL.Connection(context, plain)
            connection.set_connect_state()
            connection.do_handshake()
            return tuple(connection.get_peer_cert_chain(as_cryptography=True) or ())
    except (OSError, ValueError, SSL.Error) as error:
        raise Unavailable(f"the server at {address} shows no certificate: {error!r}") from error
