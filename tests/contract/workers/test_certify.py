"""Requested certificates: issued, renewed at two thirds of 13 months by themselves, and kept while that fails."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from isthmus.adapters.local_signer import new_key
from isthmus.adapters.sealer import Sealer
from isthmus.pki import path, web
from isthmus.pki.chain import parse_pem, to_pem
from isthmus.settings import Settings
from isthmus.store import managed_authorities, tables
from isthmus.store.certificates import IMPORTED, REQUESTED, TASK, Certificates, Wanted, sealing_context
from isthmus.store.database import Database
from isthmus.store.managed_authorities import Made, ManagedAuthorities
from tests.certificates import brought
from tests.serving import make_keys
from workers.certify import see_to
from workers.tasks import Process, keep
from workers.warm import Warm

SEALER = Sealer(bytes(32))
START = datetime(2026, 11, 28, tzinfo=UTC)
DAY = timedelta(days=1)


def authority(
    database: Database,
    org: UUID,
    now: datetime = START,
    life: timedelta = web.ROOT_LIFE,
    sealer: Sealer = SEALER,
) -> UUID:
    number = uuid4()
    signer, sealed = new_key(sealer, managed_authorities.sealing_context(org, number))
    root = web.root(signer, "Shop", serial=1, now=now, life=life)
    with database.tenant(org) as session:
        made = Made(to_pem([root]), sealed, root.not_valid_after_utc)
        ManagedAuthorities(session, org).add("Shop", None, "us-east-1", made, number)
    return number


def requested(database: Database, org: UUID, above: UUID, life: int | None = None) -> UUID:
    with database.tenant(org) as session:
        wanted = Wanted(REQUESTED, ("shop.example", "*.shop.example"), "us-east-1", authority=above, life=life)
        return Certificates(session, org).want(wanted).id


def seen_to(database: Database, org: UUID, number: UUID, now: datetime) -> tables.Certificate:
    """After what is due then has been done."""
    with database.tenant(org) as session:
        see_to(session, org, number, now, SEALER)
    with database.tenant(org) as session:
        return session.get_one(tables.Certificate, (org, number))


def promised(database: Database, org: UUID) -> list[datetime]:
    """When certificates are to be seen to."""
    row = tables.Promise
    with database.tenant(org) as session:
        return [p.due_at for p in session.query(row).filter(row.task == TASK, row.processed_at.is_(None))]


def kept(database: Database, org: UUID) -> None:
    """As a worker that has done what was promised."""
    with database.tenant(org) as session:
        session.query(tables.Promise).update({"processed_at": START})


def test_a_request_becomes_a_certificate_of_13_months_with_a_key_of_its_own(database: Database, org: UUID) -> None:
    above = authority(database, org)
    row = seen_to(database, org, requested(database, org, above), START)
    assert (row.state, row.generation, row.reason) == ("issued", 1, "")
    assert row.chain is not None
    assert row.sealed_key is not None
    (leaf,) = parse_pem(row.chain)
    with database.tenant(org) as session:
        root = parse_pem(session.get_one(tables.CertificateAuthority, (org, above)).roots)
    path.leads([leaf], root, START + 394 * DAY)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example", "*.shop.example"]
    key = load_pem_private_key(SEALER.open(row.sealed_key, sealing_context(org, row.id)), None)
    assert key.public_key() == leaf.public_key()


def test_it_is_renewed_at_two_thirds_of_13_months_and_not_before(database: Database, org: UUID) -> None:
    number = requested(database, org, authority(database, org))
    first = seen_to(database, org, number, START)
    kept(database, org)
    early = seen_to(database, org, number, START + 262 * DAY)
    assert (early.generation, early.serial) == (1, first.serial)
    (due,) = promised(database, org)
    assert START + 263 * DAY < due < START + 264 * DAY, "looked at too early, it is promised again"
    renewed = seen_to(database, org, number, due)
    assert (renewed.generation, renewed.state) == (2, "issued")
    assert renewed.serial != first.serial
    assert renewed.not_after is not None
    assert renewed.not_after - due == web.LIFE
    assert seen_to(database, org, number, due).generation == 2, "done again, it changes nothing"


def test_it_goes_on_for_ten_years_and_stops_before_its_authority_does(database: Database, org: UUID) -> None:
    number, now, ends = requested(database, org, authority(database, org)), START, set()
    while (row := seen_to(database, org, number, now)).reason == "":
        assert row.not_before is not None
        assert row.not_after is not None
        assert row.not_after > now, "there was a gap"
        ends.add(row.not_after)
        now = row.not_before + (row.not_after - row.not_before) * 2 / 3
    assert 10 < len(ends) < 20
    assert row.state == "issued"
    assert row.reason == f"its authority ends on {START + web.ROOT_LIFE:%F}, so a new one would last no longer"


def test_a_life_can_be_said(database: Database, org: UUID) -> None:
    row = seen_to(database, org, requested(database, org, authority(database, org), life=3600), START)
    assert row.not_after == START + timedelta(hours=1)


def test_a_renewal_that_fails_keeps_what_is_shown_says_why_and_waits_longer(database: Database, org: UUID) -> None:
    above = authority(database, org)
    number = requested(database, org, above)
    first = seen_to(database, org, number, START)
    with database.tenant(org) as session:
        session.delete(session.get_one(tables.CertificateAuthority, (org, above)))
    now = START + 300 * DAY
    for failures, wait in ((1, 10), (2, 20), (3, 40)):
        kept(database, org)
        row = seen_to(database, org, number, now)
        assert (row.state, row.serial, row.failures) == ("issued", first.serial, failures)
        assert row.reason == "its authority is gone, or has no key here"
        assert promised(database, org) == [now + timedelta(seconds=wait)]


def test_a_first_one_that_cannot_be_had_has_failed_and_comes_when_it_can(database: Database, org: UUID) -> None:
    above = authority(database, org, START - 20 * DAY, life=10 * DAY)
    number = requested(database, org, above)
    row = seen_to(database, org, number, START)
    assert (row.state, row.chain) == ("failed", None)
    assert "its authority ended on" in row.reason
    with database.tenant(org) as session:
        session.get_one(tables.Certificate, (org, number)).authority_id = authority(database, org)
    row = seen_to(database, org, number, START)
    assert (row.state, row.reason, row.failures) == ("issued", "", 0)


def test_what_was_brought_along_or_is_gone_is_left_alone(database: Database, org: UUID) -> None:
    pair = brought(now=START)
    with database.tenant(org) as session:
        certificates = Certificates(session, org)
        row = certificates.want(Wanted(IMPORTED, pair.domains, "us-east-1"))
        certificates.show(row, pair, b"sealed")
    assert seen_to(database, org, row.id, START + 380 * DAY).generation == 1
    with database.tenant(org) as session:
        see_to(session, org, uuid4(), START, SEALER)
    assert promised(database, org) == []


def test_a_worker_keeps_the_promise_with_its_own_master_key(database: Database, org: UUID, tmp_path: Path) -> None:
    settings = Settings(database_url="postgresql+psycopg://x", valkey_url="redis://x", **make_keys(tmp_path))  # type: ignore[arg-type]
    sealer = Sealer.load(settings.master_key_file)
    number = requested(database, org, authority(database, org, datetime.now(UTC), sealer=sealer))
    with database.tenant(org) as session:
        promise = session.query(tables.Promise).filter(tables.Promise.task == TASK).one().id
    keep(Process(database, settings, Warm()), TASK, org, promise)
    with database.tenant(org) as session:
        row = session.get_one(tables.Certificate, (org, number))
        assert row.sealed_key is not None
        assert b"PRIVATE KEY" in sealer.open(row.sealed_key, sealing_context(org, number))
    (due,) = promised(database, org)
    assert due > datetime.now(UTC) + 262 * DAY
