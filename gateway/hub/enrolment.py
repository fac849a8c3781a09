"""enrolment: how an agent replica gets its link certificate, the first time and ever after.

The request is checked before the token is spent, so a malformed request costs nothing. The token itself never reaches
a log line or an error. Renewal asks for proof of the certified key, because an expired certificate proves nothing by
itself, and the feed says whether the replica was evicted meanwhile.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from cryptography import x509

from gateway.hub.feed import Feed, Joined
from gateway.hub.status import Context, answering
from gateway.proto import link_pb2 as link
from gateway.proto import link_pb2_grpc
from isthmus.pki import csr, link_ca, verify
from isthmus.pki.chain import parse_der, to_pem
from isthmus.pki.signer import Issuer
from isthmus.pki.template import PublicKey
from isthmus.values import dns_label

log = logging.getLogger(__name__)


class Enrolment(link_pb2_grpc.EnrolmentServicer):
    """Join and Renew. `clock` gives aware times."""

    def __init__(self, feed: Feed, ca: Issuer, base: str, clock: Callable[[], datetime]) -> None:
        self._feed = feed
        self._ca = ca
        self._base = base
        self._clock = clock

    async def Join(self, request: link.JoinRequest, context: Context) -> link.LinkCertificate:
        """Spend a join token on a certificate for the key of the request."""
        async with answering(context, "join"):
            key = csr.parse(request.csr_der)
            replica = dns_label(request.replica, "/replica", "a replica's name")
            token = sha256(request.token.encode()).digest()
            ends = self._clock() + link_ca.AGENT_LIFE
            joined = await self._feed.join(token, replica, csr.key_sha256(key), ends)
            answer = self._certify(joined, key)
            log.info("joined: replica %s of cluster %s of %s", replica, joined.cluster, joined.org_slug)
            return answer
        raise AssertionError("answering never swallows an exception")

    async def Renew(self, request: link.RenewRequest, context: Context) -> link.LinkCertificate:
        """A successor for a certificate that is valid, or was until at most 30 days ago."""
        async with answering(context, "renewal"):
            key = csr.parse(request.csr_der)
            (held,) = parse_der([request.certificate_der])
            now = self._clock()
            agent = verify.link_agent(held, self._ca.certificate, self._base, now=now, grace=link_ca.GRACE)
            link_ca.check_proof(held, request.csr_der, request.proof)
            ends = now + link_ca.AGENT_LIFE
            known = link_ca.certified_key(held)
            joined = await self._feed.renew(agent, csr.key_sha256(known), csr.key_sha256(key), ends)
            answer = self._certify(joined, key)
            log.info("renewed: replica %s of cluster %s of %s", agent.replica, joined.cluster, joined.org_slug)
            return answer
        raise AssertionError("answering never swallows an exception")

    def _certify(self, joined: Joined, key: PublicKey) -> link.LinkCertificate:
        serial = x509.random_serial_number()
        made = link_ca.agent(self._ca, joined.agent, key, serial=serial, now=self._clock(), base=self._base)
        return link.LinkCertificate(
            certificate_pem=to_pem([made]),
            link_ca_pem=to_pem([self._ca.certificate]),
            links=joined.links,
            cluster=joined.cluster,
            org=joined.org_slug,
        )
