"""signing: an agent replica's intermediate, by its cluster's root, whose key is unsealed only for this."""

from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509

from gateway.proto import link_pb2 as link
from isthmus.adapters.local_signer import unsealed
from isthmus.adapters.sealer import Sealer
from isthmus.errors import IsthmusError
from isthmus.pki import chain, csr, issue
from isthmus.pki.signer import Issuer
from isthmus.store import tables
from isthmus.store.authorities import sealing_context
from isthmus.values import AgentId, TrustDomain

Issue = Callable[[tables.Authority, AgentId, bytes], link.IntermediateCertificate]


def issuing(sealer: Sealer) -> Issue:
    """Signs with keys sealed in the store; a request that will not be signed is answered with why."""

    def sign(authority: tables.Authority, agent: AgentId, csr_der: bytes) -> link.IntermediateCertificate:
        try:
            return _signed(sealer, authority, agent, csr_der)
        except IsthmusError as refused:
            return link.IntermediateCertificate(trust_domain=authority.trust_domain, refused=str(refused))

    return sign


def _signed(
    sealer: Sealer, authority: tables.Authority, agent: AgentId, csr_der: bytes
) -> link.IntermediateCertificate:
    key = csr.parse(csr_der)
    assert authority.sealed_key is not None, "the local signer keeps its keys in the store"
    root = x509.load_der_x509_certificate(authority.certificate)
    issuer = Issuer(unsealed(sealer, authority.sealed_key, sealing_context(authority.trust_domain)), root)
    made = issue.intermediate(
        issuer,
        TrustDomain(authority.trust_domain),
        agent.replica,
        key,
        serial=x509.random_serial_number(),
        now=datetime.now(UTC),
    )
    return link.IntermediateCertificate(
        chain_pem=chain.to_pem([made]), root_pem=chain.to_pem([root]), trust_domain=authority.trust_domain
    )
