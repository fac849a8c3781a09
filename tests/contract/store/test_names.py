"""Orgs, accounts, meshes and clusters: found by name, each name used once, and what is deleted frees its name."""

from uuid import UUID

import pytest

from isthmus.errors import InUse, Invalid, NameTaken, NotFound
from isthmus.store import orgs, tables
from isthmus.store.accounts import Accounts
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.meshes import AmbiguousMesh, Meshes, full_ref
from isthmus.store.orgs import bootstrap
from tests import build
from tests.conftest import ACCOUNT, OTHER_ACCOUNT
from tests.contract.store.conftest import START, Shop, at_once, make_clusters, make_shop

EAST, WEST = "us-east-1", "eu-west-1"


def test_an_org_may_be_made_any_number_of_times(database: Database) -> None:
    first = bootstrap(database, "acme", "Acme", ACCOUNT)
    assert bootstrap(database, "acme", "Another name", ACCOUNT) == first
    bootstrap(database, "acme", "Acme", "555555555555")
    with database.tenant(first) as session:
        assert orgs.find(session, first).name == "Acme"
        assert [row.id for row in Accounts(session, first).all()] == [ACCOUNT, "555555555555"]
        assert Accounts(session, first).default().id == ACCOUNT


def test_an_orgs_slug_is_a_dns_label_and_its_account_its_own(database: Database, org: UUID) -> None:
    with pytest.raises(Invalid):
        bootstrap(database, "Acme!", "Acme", ACCOUNT)
    with pytest.raises(NameTaken, match=ACCOUNT):
        bootstrap(database, "other", "Other", ACCOUNT)


def test_another_orgs_account_is_not_there(database: Database, org: UUID, other_org: UUID) -> None:
    with database.tenant(org) as session, pytest.raises(NotFound):
        Accounts(session, org).get(OTHER_ACCOUNT)
    with database.tenant(org) as session, pytest.raises(NotFound):
        orgs.find(session, other_org)


def test_a_mesh_is_found_by_its_name_where_that_is_unique(database: Database, org: UUID) -> None:
    shop = make_shop(database, org)
    with database.tenant(org) as session:
        meshes = Meshes(session, org)
        assert meshes.find("shop").id == shop.id
        assert meshes.find(f"{ACCOUNT}:{EAST}:shop").id == shop.id
        for missing in ("nope", f"{ACCOUNT}:{WEST}:shop", ""):
            with pytest.raises(NotFound):
                meshes.find(missing)


def test_equal_names_in_two_regions_are_told_apart_by_the_full_reference(database: Database, org: UUID) -> None:
    with database.tenant(org) as session:
        meshes = Meshes(session, org)
        for region in (EAST, WEST):
            meshes.create(ACCOUNT, region, "shop", now=START)
        meshes.create(ACCOUNT, EAST, "with:colons", now=START)
        refs = (f"{ACCOUNT}:{WEST}:shop", f"{ACCOUNT}:{EAST}:shop")
        with pytest.raises(AmbiguousMesh) as refused:
            meshes.find("shop")
        assert refused.value.refs == refs
        assert [full_ref(meshes.find(ref)) for ref in refs] == list(refs)
        assert meshes.find("with:colons").name == "with:colons"
        with pytest.raises(NameTaken):
            meshes.create(ACCOUNT, EAST, "shop", now=START)


def test_meshes_are_listed_by_name_and_page_by_page(database: Database, org: UUID, other_org: UUID) -> None:
    make_shop(database, other_org, OTHER_ACCOUNT, "theirs")
    with database.tenant(org) as session:
        meshes = Meshes(session, org)
        for name, region in (("b", EAST), ("a", EAST), ("b", WEST), ("c", EAST)):
            meshes.create(ACCOUNT, region, name, now=START)
        seen, after = [], None
        while page := meshes.list(after, 1):
            after = full_ref(page[-1])
            seen += [(mesh.name, mesh.region) for mesh in page]
    assert seen == [("a", EAST), ("b", WEST), ("b", EAST), ("c", EAST)]


def test_a_deleted_mesh_frees_its_name_and_is_another_orgs_business_never(shop: Shop, other_org: UUID) -> None:
    shop.end()
    with shop.database.tenant(shop.org) as session:
        assert Meshes(session, shop.org).list(None, 10) == []
        with pytest.raises(NotFound):
            Meshes(session, shop.org).find("shop")
    again = make_shop(shop.database, shop.org)
    with shop.database.tenant(other_org) as session, pytest.raises(NotFound):
        Meshes(session, other_org).find("shop")
    assert again.id != shop.id


def test_of_racing_makers_of_a_mesh_one_wins(database: Database, org: UUID) -> None:
    outcomes: list[str] = []

    def make() -> None:
        try:
            make_shop(database, org)
            outcomes.append("made")
        except NameTaken:
            outcomes.append("taken")

    at_once(*[make] * 8)
    assert sorted(outcomes) == ["made"] + ["taken"] * 7


def test_a_cluster_made_again_gets_a_trust_domain_that_never_was(
    database: Database, org: UUID, other_org: UUID
) -> None:
    numbers = []
    for _ in range(3):
        make_clusters(database, org, "east")
        with database.tenant(org) as session:
            numbers.append(Clusters(session, org).get("east").trust_generation)
            Clusters(session, org).delete("east")
    assert numbers == [1, 2, 3]
    make_clusters(database, other_org, "east")
    with database.tenant(other_org) as session:
        assert Clusters(session, other_org).get("east").trust_generation == 1


def test_a_clusters_name_is_used_once_and_a_refusal_spends_no_trust_domain(database: Database, org: UUID) -> None:
    make_clusters(database, org, "east")
    with pytest.raises(NameTaken):
        make_clusters(database, org, "east")
    with database.tenant(org) as session:
        assert session.query(tables.SpentSequence).one().generation == 1


def test_an_attached_cluster_cannot_be_deleted_until_no_mesh_uses_it(shop: Shop) -> None:
    shop.replace(build.mesh())
    with pytest.raises(InUse) as refused, shop.database.tenant(shop.org) as session:
        Clusters(session, shop.org).delete("east")
    assert refused.value.users == ("Mesh shop",)
    shop.replace(build.definition())
    shop.end()
    with shop.database.tenant(shop.org) as session:
        Clusters(session, shop.org).delete("east")
        assert [row.name for row in Clusters(session, shop.org).list(None, 10)] == ["west"]


def test_clusters_of_others_are_not_there(database: Database, org: UUID, other_org: UUID) -> None:
    make_clusters(database, org, "a", "b", "c")
    with database.tenant(org) as session:
        assert [row.name for row in Clusters(session, org).list("a", 1)] == ["b"]
    with database.tenant(other_org) as session:
        assert Clusters(session, other_org).list(None, 10) == []
        with pytest.raises(NotFound):
            Clusters(session, other_org).get("a")
        with pytest.raises(NotFound):
            Clusters(session, other_org).delete("a")
