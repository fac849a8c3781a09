"""certify: see to one managed certificate: issue it, renew it at two thirds of its life, or say why not yet.

Done again for whatever reason, it changes nothing: what is due follows from the row and the clock. What is shown stays
shown until its successor is there, so a renewal that fails costs nobody a request before the old one ends.
"""

from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.orm import Session

from isthmus.adapters.local_signer import unsealed
from isthmus.adapters.sealer import Sealer, Unsealable
from isthmus.pki import foreign, web
from isthmus.pki.chain import parse_pem, to_pem
from isthmus.pki.renewal import overdue, renew_at
from isthmus.pki.signer import Issuer
from isthmus.store import managed_authorities, tables
from isthmus.store.certificates import ACME, REQUESTED, Certificates, sealing_context
from isthmus.store.managed_authorities import ManagedAuthorities
from workers import order


class Refused(Exception):
    """There is no certificate to be had now; the text is for the tenant."""


def see_to(session: Session, org: UUID, number: UUID, now: datetime, sealer: Sealer) -> None:
    """Do what is due, and promise what comes next. Nothing for one that is gone or was brought along."""
    certificates = Certificates(session, org)
    row = certificates.locked(number)
    if row is None or row.source not in (REQUESTED, ACME):
        return
    if not due(row, now):
        certificates.promise(row, next_due(row))
    elif row.source == ACME:
        order.go_on(session, org, row, now, sealer)
    else:
        _request(session, org, row, now, sealer)


def due(row: tables.Certificate, now: datetime) -> bool:
    """Whether it has none yet, or one that is to be renewed."""
    if row.chain is None or row.not_before is None or row.not_after is None:
        return True
    return row.pending is not None or overdue(row.not_before, row.not_after, now)


def next_due(row: tables.Certificate) -> datetime:
    """When one that has been issued is renewed."""
    assert row.not_before is not None, "it has been issued"
    assert row.not_after is not None, "it has been issued"
    return renew_at(row.not_before, row.not_after)


def _request(session: Session, org: UUID, row: tables.Certificate, now: datetime, sealer: Sealer) -> None:
    certificates = Certificates(session, org)
    try:
        pair = _issued(session, org, row, now, sealer)
    except (Refused, Unsealable) as refused:
        certificates.fail(row, str(refused), now)
        return
    certificates.show(row, pair, sealer.seal(pair.key, sealing_context(org, row.id)))
    certificates.promise(row, next_due(row))


def _issued(session: Session, org: UUID, row: tables.Certificate, now: datetime, sealer: Sealer) -> foreign.Pair:
    """A chain of one under the managed authority, and its new key."""
    above = ManagedAuthorities(session, org).by_id(row.authority_id) if row.authority_id else None
    if above is None or above.sealed_key is None:
        raise Refused("its authority is gone, or has no key here")
    root: x509.Certificate = parse_pem(above.roots)[0]
    if root.not_valid_after_utc <= now:
        raise Refused(f"its authority ended on {root.not_valid_after_utc:%F}")
    signer = unsealed(sealer, above.sealed_key, managed_authorities.sealing_context(org, above.id))
    key = ec.generate_private_key(ec.SECP256R1())
    life = web.LIFE if row.life is None else timedelta(seconds=row.life)
    serial = x509.random_serial_number()
    if row.not_after is not None and min(now + life, root.not_valid_after_utc) <= row.not_after:
        raise Refused(f"its authority ends on {root.not_valid_after_utc:%F}, so a new one would last no longer")
    made = web.leaf(Issuer(signer, root), row.domains, key.public_key(), serial=serial, now=now, life=life)
    return foreign.pair(to_pem([made]), foreign.key_pem(key), now)
