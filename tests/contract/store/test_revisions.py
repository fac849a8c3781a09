"""Revisions: one accepted change after another, each a whole that holds together, none lost and none half."""

from datetime import timedelta
from uuid import UUID

import pytest

from isthmus.errors import InUse, Invalid, NotFound, StaleRevision
from isthmus.model.document import Key
from isthmus.store.changes import ABSENT, ANY, At, Change
from tests import build
from tests.contract.store.conftest import START, Shop, make_clusters

BLUE, GREEN = Key("VirtualNode", "blue"), Key("VirtualNode", "green")
ROUTE = Key("Route", "all", build.ROUTER)


def test_a_change_makes_the_next_revision_and_the_promise_to_compile_it(shop: Shop) -> None:
    accepted = shop.put(build.node("blue"))
    assert (accepted.revision, accepted.changed) == (1, (BLUE,))
    assert shop.promises() == [("compile", {"mesh": str(shop.id)})]
    (row,) = shop.revisions()
    assert (row.number, row.author, row.status, row.changed) == (1, "ann", "accepted", [["VirtualNode", "blue"]])
    assert row.accepted_at == START


def test_what_changes_nothing_is_no_revision(shop: Shop) -> None:
    shop.put(build.node("blue"))
    again = shop.put(build.node("blue"))
    assert (again.revision, again.changed) == (1, ())
    assert len(shop.revisions()) == 1


def test_a_thing_keeps_its_uid_and_counts_its_versions(shop: Shop) -> None:
    shop.put(build.node("blue", port=1))
    first = shop.get(BLUE)
    shop.later(5)
    shop.put(build.node("green"))
    shop.put(build.node("blue", port=2))
    second = shop.get(BLUE)
    assert first
    assert second
    assert (first.revision, first.version, first.updated_at) == (1, 1, START)
    assert (second.revision, second.version, second.uid) == (3, 2, first.uid)
    assert (second.created_at, second.updated_at) == (START, START + timedelta(seconds=5))


def test_tags_alone_make_a_revision_but_no_new_version_of_the_thing(shop: Shop) -> None:
    shop.put(build.node("blue"))
    shop.later(5)
    shop.put(build.node("blue", tags={"team": "a"}))
    stored = shop.get(BLUE)
    assert stored
    assert (stored.revision, stored.version, stored.document.tags) == (2, 1, {"team": "a"})
    assert stored.updated_at == START


def test_what_is_made_again_is_another_thing(shop: Shop) -> None:
    shop.put(build.node("blue"))
    first = shop.get(BLUE)
    shop.delete(BLUE)
    assert shop.get(BLUE) is None
    shop.put(build.node("blue"))
    second = shop.get(BLUE)
    assert first
    assert second
    assert first.uid != second.uid
    assert second.version == 1


def test_the_definition_at_a_revision_is_what_stood_then(shop: Shop) -> None:
    shop.put(build.node("blue", port=1))
    shop.put(build.node("green"))
    shop.put(build.node("blue", port=2))
    shop.delete(GREEN)
    seen = [sorted((k.name, d.spec.ports[0].port) for k, d in shop.definition(n).documents.items()) for n in range(5)]  # type: ignore[attr-defined]
    assert seen == [
        [],
        [("blue", 1)],
        [("blue", 1), ("green", 8080)],
        [("blue", 2), ("green", 8080)],
        [("blue", 2)],
    ]
    assert shop.definition() == shop.definition(4)
    assert shop.get(GREEN, at=3) is not None
    assert shop.get(GREEN, at=4) is None


@pytest.mark.parametrize(
    ("expected", "accepted"),
    [(None, True), (ANY, True), (At(1), True), (At(0), False), (At(2), False), (ABSENT, False)],
    ids=["nothing said", "any", "as it is", "older", "newer", "absent"],
)
def test_a_precondition_on_what_is_there(shop: Shop, expected: At | None, accepted: bool) -> None:  # noqa: FBT001
    shop.put(build.node("blue"))
    shop.put(build.node("green"))
    if accepted:
        assert shop.put(build.node("blue", port=1), expected=expected).revision == 3
        return
    with pytest.raises(StaleRevision) as refused:
        shop.put(build.node("blue", port=1), expected=expected)
    assert refused.value.current == 1


@pytest.mark.parametrize(
    ("expected", "accepted"), [(None, True), (ABSENT, True), (ANY, False), (At(1), False)], ids=str
)
def test_a_precondition_on_what_is_not_there(shop: Shop, expected: At | None, accepted: bool) -> None:  # noqa: FBT001
    if accepted:
        assert shop.put(build.node("blue"), expected=expected).revision == 1
        return
    with pytest.raises(StaleRevision) as refused:
        shop.put(build.node("blue"), expected=expected)
    assert refused.value.current is None


def test_a_precondition_that_fails_for_one_change_of_several_stops_all(shop: Shop) -> None:
    shop.put(build.node("blue"))
    with pytest.raises(StaleRevision):
        shop.apply(Change("put", build.node("green")), Change("put", build.node("blue", port=1), At(7)))
    assert shop.get(GREEN) is None


def test_an_unchanged_put_still_honours_its_precondition(shop: Shop) -> None:
    shop.put(build.node("blue"))
    with pytest.raises(StaleRevision):
        shop.put(build.node("blue"), expected=ABSENT)


def test_what_is_not_there_cannot_be_deleted(shop: Shop) -> None:
    with pytest.raises(NotFound, match="blue"):
        shop.delete(BLUE, expected=ANY)


def test_a_dangling_reference_is_refused_with_its_place(shop: Shop) -> None:
    shop.put(build.router())
    with pytest.raises(Invalid) as refused:
        shop.apply(Change("put", build.route(targets={"blue": 1}), None, "/3/document"))
    (violation,) = refused.value.violations
    assert violation.code == "dangling_reference"
    assert violation.pointer == "/3/document/spec/httpRoute/action/weightedTargets/0/virtualNode"
    assert shop.revisions()[0].number == 1


def test_things_that_refer_to_each_other_come_in_one_change_in_any_order(shop: Shop) -> None:
    accepted = shop.put(build.route(targets={"blue": 1}), build.router(), build.node("blue"))
    assert accepted.revision == 1
    assert len(accepted.changed) == 3


def test_what_is_referred_to_cannot_be_deleted(shop: Shop) -> None:
    shop.put(build.node("blue"), build.router(), build.route(targets={"blue": 1}))
    with pytest.raises(InUse) as refused:
        shop.delete(BLUE)
    assert refused.value.users == ("Route router/all",)
    with pytest.raises(InUse):
        shop.delete(Key("VirtualRouter", build.ROUTER))


def test_it_can_be_once_nothing_refers_to_it_any_more_or_in_the_same_change(shop: Shop) -> None:
    shop.put(build.node("blue"), build.node("green"), build.router(), build.route(targets={"blue": 1}))
    shop.apply(Change("put", build.route(targets={"green": 1})), Change("delete", BLUE))
    assert shop.get(BLUE) is None
    shop.delete(ROUTE, GREEN)
    assert list(shop.definition().documents) == [Key("VirtualRouter", build.ROUTER)]


def test_a_reference_that_a_change_adds_protects_what_it_names(shop: Shop) -> None:
    shop.put(build.node("blue"), build.node("green"), build.router(), build.route(targets={"blue": 1}))
    with pytest.raises(InUse):
        shop.apply(Change("put", build.route(targets={"blue": 1, "green": 1})), Change("delete", GREEN))


def test_a_binding_does_not_stop_the_delete_of_its_node_and_outlives_it(shop: Shop) -> None:
    shop.put(build.node("blue"), build.binding("blue"), build.attachment("east"), build.placement("blue", "east"))
    shop.delete(BLUE)
    assert shop.get(Key("Binding", "blue")) is not None
    shop.put(build.node("blue", port=1))


def test_a_change_that_would_break_another_document_is_refused_and_names_it(shop: Shop) -> None:
    shop.put(build.node("blue"), build.router(port=8080), build.route(targets={"blue": 1}))
    with pytest.raises(Invalid) as refused:
        shop.apply(Change("put", build.router(port=8080, protocol="tcp"), None, "/0"))
    assert {(v.pointer, "Route router/all" in v.detail) for v in refused.value.violations} == {("/0", True)}


def test_two_bindings_of_one_workload_are_refused_though_neither_is_wrong_by_itself(shop: Shop) -> None:
    shop.put(build.node("blue"), build.binding("a", node="blue", file="i"))
    with pytest.raises(Invalid) as refused:
        shop.put(build.binding("b", node="blue", file="i"))
    assert [v.code for v in refused.value.violations] == ["duplicate"]


def test_only_a_cluster_of_the_org_can_be_attached(shop: Shop, other_org: UUID) -> None:
    make_clusters(shop.database, other_org, "north")
    with pytest.raises(Invalid) as single:
        shop.apply(Change("put", build.attachment("north"), None, "/0"))
    with pytest.raises(Invalid) as whole:
        shop.replace(build.definition(build.attachment("north")))
    found = [(v.pointer, v.code) for error in (single, whole) for v in error.value.violations]
    assert found == [("/0/name", "dangling_reference"), ("/resources/0/name", "dangling_reference")]


def test_one_key_is_changed_once(shop: Shop) -> None:
    with pytest.raises(Invalid, match="changed twice"):
        shop.apply(Change("put", build.node("blue")), Change("delete", BLUE))


def test_a_mesh_is_neither_renamed_nor_deleted_from_inside(shop: Shop) -> None:
    for change in (Change("put", build.document("Mesh", "other", {})), Change("delete", Key("Mesh", "shop"))):
        with pytest.raises(Invalid):
            shop.apply(change)


def test_lists_go_by_key_within_a_parent_and_go_on_after_one(shop: Shop) -> None:
    shop.put(*(build.node(name) for name in "dacb"))
    shop.put(build.router("r"), build.router("r/s"), build.route("z", router="r", targets={"a": 1}))
    shop.put(*(build.route(name, router="r/s", targets={"a": 1}) for name in ("y", "x")))

    def names(kind: str, parent: str | None, after: str | None, limit: int) -> list[str]:
        return [s.document.key.name for s in shop.run(lambda r: r.list(kind, parent, after, limit))]

    assert names("VirtualNode", None, None, 2) == ["a", "b"]
    assert names("VirtualNode", None, "b", 10) == ["c", "d"]
    assert names("Route", "r", None, 10) == ["z"]
    assert names("Route", "r/s", Key("Route", "x", "r/s").text, 10) == ["y"]
    assert [row.number for row in shop.run(lambda r: r.revisions(2, 10))] == [1]


def test_another_tenant_sees_no_revision_and_cannot_write(shop: Shop, other_org: UUID) -> None:
    shop.put(build.node("blue"))
    thief = Shop(shop.database, other_org, shop.id)
    assert thief.revisions() == []
    assert thief.get(BLUE) is None
    with pytest.raises(NotFound):
        thief.put(build.node("blue", port=1))
