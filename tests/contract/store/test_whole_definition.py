"""A whole definition in one revision: what it lists stands, what it does not list goes, and the mesh's own words."""

import pytest

from isthmus.errors import InUse, Invalid, NotFound, StaleRevision
from isthmus.model.document import Key
from isthmus.store.changes import ABSENT, At
from tests import build
from tests.contract.store.conftest import Shop, make_shop

BLUE, GREEN = Key("VirtualNode", "blue"), Key("VirtualNode", "green")
ROUTE = Key("Route", "all", build.ROUTER)


def test_the_meshs_own_spec_is_a_document_and_its_settings_stay(shop: Shop) -> None:
    shop.replace(build.definition(settings={"transport": "strict"}, tags={"a": "b"}))
    accepted = shop.put(build.document("Mesh", "shop", {"egressFilter": {"type": "ALLOW_ALL"}}))
    assert accepted.changed == (Key("Mesh", "shop"),)
    definition = shop.definition()
    assert definition.settings.json_object() == {"transport": "strict"}
    assert definition.spec.json_object() == {"egressFilter": {"type": "ALLOW_ALL"}}
    assert shop.definition(1).tags == {"a": "b"}


def test_settings_make_a_revision_of_the_mesh(shop: Shop) -> None:
    shop.replace(build.definition())
    accepted = shop.replace(build.definition(settings={"exports": "listed"}))
    assert (accepted.revision, accepted.changed) == (2, (Key("Mesh", "shop"),))
    assert shop.definition(1).settings.json_object() == {}
    assert shop.definition().settings.json_object() == {"exports": "listed"}


def test_a_whole_definition_comes_back_as_it_was_sent(shop: Shop) -> None:
    sent = build.mesh(spec={"egressFilter": {"type": "DROP_ALL"}}, settings={"strategy": "staged"})
    shop.replace(sent)
    stands = shop.definition()
    assert stands.documents == sent.documents
    assert (stands.spec, stands.settings, stands.tags) == (sent.spec, sent.settings, sent.tags)


def test_a_whole_definition_writes_only_the_differences_in_one_revision(shop: Shop) -> None:
    shop.replace(build.mesh(targets={"blue": 50, "green": 50}))
    uids = {key: shop.get(key).uid for key in shop.definition().documents}  # type: ignore[union-attr]
    accepted = shop.replace(build.mesh(targets={"blue": 90, "green": 10}))
    assert (accepted.revision, accepted.changed) == (2, (ROUTE,))
    assert {key: shop.get(key).uid for key in uids} == uids  # type: ignore[union-attr]
    assert shop.replace(build.mesh(targets={"blue": 90, "green": 10})).changed == ()


def test_a_whole_definition_deletes_what_it_does_not_list_but_not_where_it_runs(shop: Shop) -> None:
    shop.replace(build.mesh(build.placement("blue", "east")))
    shop.replace(build.definition(build.node("front", backends=[build.SERVICE])))
    kinds = {key.kind for key in shop.definition().documents}
    assert kinds == {"VirtualNode", "Attachment", "Binding", "Placement"}
    shop.replace(build.mesh())


def test_a_whole_definition_may_list_where_it_runs(shop: Shop) -> None:
    shop.replace(build.mesh(clusters=["east"]))
    shop.replace(build.mesh(clusters=["east", "west"]))
    assert {k.name for k in shop.definition().documents if k.kind == "Attachment"} == {"east", "west"}


def test_a_wrong_whole_definition_is_refused_with_every_place_and_changes_nothing(shop: Shop) -> None:
    wrong = build.definition(build.service(node="nobody"), build.gateway_route(), name="shop")
    with pytest.raises(Invalid) as refused:
        shop.replace(wrong)
    pointers = {v.pointer.rpartition("/spec")[0] or v.pointer for v in refused.value.violations}
    assert {"/resources/0", "/resources/1"} <= pointers | {p.removesuffix("/parent") for p in pointers}
    assert shop.revisions() == []


def test_a_whole_definitions_precondition_is_the_head(shop: Shop) -> None:
    with pytest.raises(StaleRevision):
        shop.replace(build.mesh(), expected=At(1))
    shop.replace(build.mesh(), expected=ABSENT)
    shop.put(build.node("pink"))
    for stale in (At(1), ABSENT):
        with pytest.raises(StaleRevision) as refused:
            shop.replace(build.mesh(), expected=stale)
        assert refused.value.current == 2
    assert shop.replace(build.mesh(), expected=At(2)).revision == 3


def test_a_definition_of_another_name_is_refused(shop: Shop) -> None:
    with pytest.raises(Invalid, match="this is the mesh"):
        shop.replace(build.mesh(name="other"))


def test_a_mesh_with_something_in_it_cannot_be_deleted(shop: Shop) -> None:
    shop.replace(build.mesh())
    with pytest.raises(InUse) as refused:
        shop.end()
    assert "VirtualNode blue" in refused.value.users
    assert not any(user.startswith(("Attachment", "Binding")) for user in refused.value.users)


def test_an_empty_mesh_can_and_then_nothing_stands(shop: Shop) -> None:
    shop.replace(build.mesh())
    shop.replace(build.definition())
    assert shop.end() == 3
    assert shop.definition().documents == {}
    assert shop.definition(1).documents == build.mesh().documents
    with pytest.raises(NotFound):
        shop.put(build.node("blue"))
    assert make_shop(shop.database, shop.org).id != shop.id
