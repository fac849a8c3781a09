"""identity: who is at the other end of a stream, by its client certificate and nothing else.

TLS has checked the certificate once, at the handshake, for the whole connection. We check it again for every stream, by
our own rules, which are narrower (one URI, one use, one key type), and at the time of the stream: a connection may be
older than the end of its certificate.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from gateway.hub.status import Context
from isthmus.errors import Unavailable
from isthmus.pki import verify
from isthmus.pki.chain import Untrusted, parse_pem
from isthmus.pki.csr import key_sha256
from isthmus.pki.link_ca import certified_key
from isthmus.values import AgentId


class Expired(Unavailable):
    """The stream has outlived the certificate that opened it; the agent dials again with its successor."""

    code = "certificate_expired"


@dataclass(frozen=True, slots=True)
class Proven:
    """An agent replica as its certificate proves it: the key's SHA-256 and the end of its validity with it."""

    agent: AgentId
    key_sha256: bytes
    expires: datetime

    def check(self, now: datetime) -> None:
        """Expired once the certificate is."""
        if now > self.expires:
            raise Expired(f"the certificate of {self.agent.replica} expired at {self.expires:%FT%TZ}")


def caller(context: Context, link_ca: x509.Certificate, base: str, now: datetime) -> Proven:
    """The agent replica of this call; Untrusted if it shows no certificate of the link CA for an agent, valid now."""
    pems = [bytes(pem) for pem in context.auth_context().get("x509_pem_cert", [])]
    if len(pems) != 1:
        raise Untrusted("there is no client certificate")
    certificate = parse_pem(pems[0])[0]
    agent = verify.link_agent(certificate, link_ca, base, now=now)
    return Proven(agent, key_sha256(certified_key(certificate)), certificate.not_valid_after_utc)
