"""order: one step of an ACME order: pose the challenges, have them looked at, finalize, take the certificate.

A step is short and leaves what the next one needs in the row, so it may be another worker's, after whatever was killed.
The authority is not asked to look before every agent has the answers: it looks once, and a failed look costs an order,
of which an authority gives few (Let's Encrypt: 5 failures an hour for a name).
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.orm import Session

from isthmus.adapters.acme_authority import AcmeAuthority, AcmeFailed
from isthmus.adapters.local_signer import new_key, unsealed
from isthmus.adapters.sealer import Sealer, Unsealable
from isthmus.errors import Invalid
from isthmus.pki import foreign
from isthmus.pki.renewal import renew_at
from isthmus.store import acme, certificates, tables
from isthmus.store.acme import AcmeAccounts, Challenges
from isthmus.store.certificates import Certificates

AGAIN = timedelta(seconds=1)
PATIENCE = timedelta(minutes=5)
"""How long an order may take from its challenges on; then it is given up, and another one is made later."""


def go_on(session: Session, org: UUID, row: tables.Certificate, now: datetime, sealer: Sealer) -> None:
    """The next step, and the promise of the one after. A failure is kept with its reason and tried again later."""
    try:
        Step(session, org, row, now, sealer).take()
    except (AcmeFailed, Unsealable, Invalid) as failed:
        Challenges(session, org).drop(row.id)
        Certificates(session, org).fail(row, str(failed), now)


class Step:
    """One step of one certificate's order. `row.pending` is `{step, since, url, finalize, authorizations, csr}`."""

    def __init__(self, session: Session, org: UUID, row: tables.Certificate, now: datetime, sealer: Sealer) -> None:
        self._session, self._org, self._row, self._now, self._sealer = session, org, row, now, sealer
        self._certificates, self._challenges = Certificates(session, org), Challenges(session, org)

    def take(self) -> None:
        """Raises AcmeFailed, Unsealable, or Invalid for a chain that cannot be used."""
        pending = self._row.pending
        if pending is None:
            self._begin()
        elif self._now - datetime.fromisoformat(pending["since"]) > PATIENCE:
            raise AcmeFailed(self._row.reason or "the authority did not decide in time")
        elif pending["step"] == "posed":
            self._ask(pending)
        else:
            self._look(pending)

    def _begin(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        csr = _csr(key, self._row.domains)
        order = self._authority().order(csr)
        self._row.pending_key = self._sealer.seal(foreign.key_pem(key), self._context)
        self._row.pending = {
            "step": "posed",
            "since": self._now.isoformat(),
            "url": order.url,
            "finalize": order.finalize,
            "authorizations": list(order.authorizations),
            "csr": csr.decode("ascii"),
        }
        self._challenges.pose(self._row.id, order.answers)
        self._wait("")

    def _ask(self, pending: dict[str, Any]) -> None:
        since = self._challenges.since(self._row.id)
        if since is not None and not acme.taken(self._session, self._org, since):
            self._wait("no agent has the answers for the authority yet: is a virtual gateway's cluster connected?")
            return
        self._authority().ask(pending["authorizations"])
        self._row.pending = pending | {"step": "asked"}
        self._wait("")

    def _look(self, pending: dict[str, Any]) -> None:
        authority = self._authority()
        seen = authority.look(pending["url"], pending["authorizations"])
        if seen.status == "invalid":
            raise AcmeFailed(seen.reason)
        if seen.status == "ready":
            authority.finalize(pending["finalize"], pending["csr"].encode())
        if seen.status != "valid":
            self._wait("")
            return
        self._take(authority.chain(seen.certificate))

    def _take(self, chain: bytes) -> None:
        row, sealed = self._row, self._row.pending_key
        assert sealed is not None, "it was made with the order"
        pair = foreign.pair(chain, self._sealer.open(sealed, self._context), self._now)
        self._challenges.drop(row.id)
        self._certificates.show(row, pair, sealed)
        self._certificates.promise(row, renew_at(pair.not_before, pair.not_after))

    def _wait(self, reason: str) -> None:
        self._row.reason = reason
        self._certificates.promise(self._row, self._now + AGAIN)

    def _authority(self) -> AcmeAuthority:
        """The authority, as the org's account there, which is made when it is first needed."""
        directory = self._row.directory or ""
        accounts, context = AcmeAccounts(self._session, self._org), acme.sealing_context(self._org, directory)
        known = accounts.find(directory)
        if known is not None:
            return AcmeAuthority(directory, unsealed(self._sealer, known.sealed_key, context).key, known.url)
        signer, sealed = new_key(self._sealer, context)
        url = AcmeAuthority(directory, signer.key).register()
        accounts.add(directory, url, sealed)
        return AcmeAuthority(directory, signer.key, url)

    @property
    def _context(self) -> str:
        return certificates.sealing_context(self._org, self._row.id)


def _csr(key: ec.EllipticCurvePrivateKey, domains: list[str]) -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains])
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=False)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
