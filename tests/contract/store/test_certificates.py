"""Managed certificates in the store: whose they are, what may be deleted, and who is offered which."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session

from isthmus.errors import InUse, Invalid, NotFound, StaleRevision
from isthmus.pki import foreign
from isthmus.store import tables
from isthmus.store.acme import Challenges
from isthmus.store.arns import without_effect
from isthmus.store.certificates import IMPORTED, REQUESTED, Certificates, Wanted
from isthmus.store.changes import ANY, At
from isthmus.store.database import Database
from isthmus.store.deliveries import Deliveries
from isthmus.store.managed_authorities import Made, ManagedAuthorities
from isthmus.store.snapshots import Snapshots
from isthmus.xds import names
from isthmus.xds.snapshot import Phase, Snapshot
from tests import build
from tests.certificates import brought
from tests.conftest import ACCOUNT
from tests.contract.store.conftest import REGION, START, Shop
from tests.unit.xds.test_managed import backend, listener

T = TypeVar("T")
Do = Callable[[Callable[[Session], T]], T]


def pair(*domains: str) -> foreign.Pair:
    return brought(*domains, now=START)


def imported(session: Session, org: UUID) -> tables.Certificate:
    """An imported certificate; its key is not sealed here, which is the API's affair."""
    certificates = Certificates(session, org)
    row = certificates.want(Wanted(IMPORTED, ("a.example",), REGION))
    certificates.show(row, pair(), b"sealed")
    return row


def authority(session: Session, org: UUID) -> tables.CertificateAuthority:
    return ManagedAuthorities(session, org).add("Shop", None, REGION, Made(b"pem", b"sealed", START))


def gateway(arn: str) -> dict[str, object]:
    tls = {"mode": "STRICT", "certificate": {"acm": {"certificateArn": arn}}}
    return {"listeners": [{"portMapping": {"port": 443, "protocol": "http"}, "tls": tls}]}


def test_a_request_is_pending_and_promised_and_an_import_is_neither(shop: Shop) -> None:
    with shop.database.tenant(shop.org) as session:
        above = authority(session, shop.org)
        row = Certificates(session, shop.org).want(Wanted(REQUESTED, ("a.example",), REGION, authority=above.id))
        assert (row.state, row.generation, row.arn.rpartition("/")[2]) == ("pending", 0, str(row.id))
        assert imported(session, shop.org).state == "issued"
    assert [task for task, _ in shop.promises()].count("certify") == 1


def test_a_certificate_is_found_by_its_arn_and_by_its_id_and_by_no_other_org(
    database: Database, org: UUID, other_org: UUID
) -> None:
    with database.tenant(org) as session:
        row = imported(session, org)
        for ref in (row.arn, str(row.id)):
            assert Certificates(session, org).get(ref) is row
    with database.tenant(other_org) as session:
        for ref in (row.arn, str(row.id), str(uuid4()), "x"):
            with pytest.raises(NotFound):
                Certificates(session, other_org).get(ref)
        assert Certificates(session, other_org).issued([row.arn]) == []


def test_it_is_imported_anew_by_who_has_seen_it_last_and_under_its_own_arn(database: Database, org: UUID) -> None:
    with database.tenant(org) as session:
        row, certificates = imported(session, org), Certificates(session, org)
        serial = row.serial
        certificates.reimport(row.arn, pair("b.example"), b"other", At(1))
        assert (row.generation, row.revision, row.domains, row.sealed_key) == (2, 2, ["b.example"], b"other")
        assert row.serial != serial
        with pytest.raises(StaleRevision):
            certificates.reimport(row.arn, pair(), b"", At(1))
        certificates.reimport(row.arn, pair(), b"", ANY)


def test_what_renews_itself_is_not_imported_anew(database: Database, org: UUID) -> None:
    with database.tenant(org) as session:
        above, certificates = authority(session, org), Certificates(session, org)
        row = certificates.want(Wanted(REQUESTED, ("a.example",), REGION, authority=above.id))
        with pytest.raises(Invalid, match="renewed by itself"):
            certificates.reimport(row.arn, pair(), b"", ANY)


def test_a_renewal_that_fails_leaves_what_is_shown_and_says_why(shop: Shop) -> None:
    with shop.database.tenant(shop.org) as session:
        certificates, row = Certificates(session, shop.org), imported(session, shop.org)
        assert certificates.fail(row, "out of paper", START) == START + timedelta(seconds=10)
        assert certificates.fail(row, "out of ink", START) == START + timedelta(seconds=20)
        assert (row.state, row.reason, row.chain is None) == ("issued", "out of ink", False)
        bare = certificates.want(Wanted(REQUESTED, ("a.example",), REGION, authority=uuid4()))
        certificates.fail(bare, "no authority", START)
        assert bare.state == "failed"


def test_what_a_mesh_names_is_not_deleted(shop: Shop) -> None:
    with shop.database.tenant(shop.org) as session:
        row = imported(session, shop.org)
    shop.put(build.document("VirtualGateway", "edge", gateway(row.arn)))
    with shop.database.tenant(shop.org) as session, pytest.raises(InUse) as refused:
        Certificates(session, shop.org).delete(row.arn)
    assert refused.value.users == ("Mesh shop: VirtualGateway edge",)
    shop.delete(build.document("VirtualGateway", "edge", gateway(row.arn)).key)
    with shop.database.tenant(shop.org) as session:
        Certificates(session, shop.org).delete(row.arn)
        assert Certificates(session, shop.org).list(None, 10) == []


def test_an_authority_is_not_deleted_while_certificates_are_renewed_by_it(database: Database, org: UUID) -> None:
    with database.tenant(org) as session:
        above = authority(session, org)
        row = Certificates(session, org).want(Wanted(REQUESTED, ("a.example",), REGION, authority=above.id))
        with pytest.raises(InUse, match=row.arn):
            ManagedAuthorities(session, org).delete(above.arn)
        Certificates(session, org).delete(row.arn)
        ManagedAuthorities(session, org).delete(str(above.id))


def test_an_arn_that_names_nothing_here_is_told(database: Database, org: UUID, other_org: UUID) -> None:
    with database.tenant(other_org) as session:
        theirs = imported(session, other_org).arn
    with database.tenant(org) as session:
        ours = imported(session, org).arn
        late = Certificates(session, org).want(Wanted(REQUESTED, ("a.example",), REGION, authority=uuid4())).arn
        named = (("a", theirs), ("b", ours), ("c", late))
        documents = [build.document("VirtualGateway", n, gateway(arn)) for n, arn in named]
        told = {key.name: reason for key, _, reason in without_effect(session, org, documents)}
    assert told == {
        "a": f"there is no managed certificate or authority {theirs} here",
        "c": f"managed certificate {late} is not issued yet: pending",
    }


def test_a_cluster_may_have_what_its_newest_deliveries_name_and_nothing_else(shop: Shop) -> None:
    """In each phase what that phase offers: also what is about to be called no more."""
    old, new, root = (f"arn:aws:acm:x:{n}" for n in "abc")
    before = Snapshot.of({"gateway/edge@1.40": ([], [listener(names.certificate(old)), backend(root)])})
    after = Snapshot.of({"gateway/edge@1.40": ([], [listener(names.certificate(new))])})
    with shop.database.tenant(shop.org) as session:
        east, west = session.query(tables.Cluster).order_by(tables.Cluster.name)
        for snapshot in (before, after):
            Snapshots(session, shop.org, shop.id).add(list(snapshot.resources.values()))
        deliveries = Deliveries(session, shop.org, shop.id)

        def offered(snapshot: Snapshot) -> frozenset[str]:
            deliveries.offer(east.id, 1, Phase.CONTRACT, snapshot.manifest)
            return Deliveries.managed_of_all(session, shop.org, east.id)

        assert offered(before) == {old, root}
        assert offered(after) == {new}
        assert Deliveries.managed_of_all(session, shop.org, west.id) == frozenset()


def test_challenges_go_with_their_certificate(database: Database, org: UUID, other_org: UUID) -> None:
    with database.tenant(org) as session:
        row, challenges = imported(session, org), Challenges(session, org)
        challenges.pose(row.id, {"a.example": ("t1", "x")})
        challenges.pose(row.id, {"a.example": ("t2", "x"), "b.example": ("t3", "y")})
        assert [c.token for c in challenges.all()] == ["t2", "t3"]
    with database.tenant(other_org) as session:
        assert Challenges(session, other_org).all() == []
    with database.tenant(org) as session:
        Certificates(session, org).delete(row.arn)
        assert Challenges(session, org).all() == []


def test_a_certificate_is_of_an_account_of_its_own_org(database: Database, org: UUID, other_org: UUID) -> None:
    with database.tenant(other_org) as session, pytest.raises(NotFound):
        Certificates(session, other_org).want(Wanted(IMPORTED, ("a.example",), REGION, account=ACCOUNT))
