"""What is told to the other clusters: only what every announced gateway has acked, and nothing out of sight is gone."""

import pytest

from gateway.agent.acks import LOST_AFTER, NOTHING_PROVEN, Proof, Sighting
from gateway.agent.compose import compose
from gateway.agent.discovery import Gateway, Health
from gateway.agent.summary import SLOT_CAP, Reach, Sight, reach, summarise
from gateway.proto import link_pb2 as link
from tests.unit.agent.given import BLUE, FRONT, GATEWAY, GREEN, MESH, instance, world

NOW = 1000.0
SECOND = Gateway("ew-2", "h2", "10.0.0.8", 15443, ("1.2.3.4:443",))
LEDGER = {"d": Proof(picks=frozenset({"sni"})), "empty": NOTHING_PROVEN}


@pytest.mark.parametrize(
    ("sighting", "expected"),
    [
        (None, Sight.UNSEEN),
        (Sighting(1, watched=False, since=NOW - 60), Sight.UNSEEN),
        (Sighting(1, connected=True, acked="d"), frozenset({"sni"})),
        (Sighting(1, connected=True, acked="empty"), frozenset()),
        (Sighting(1, connected=True, acked="of a former life"), Sight.HELD),
        (Sighting(1, connected=True, since=NOW - 1), Sight.HELD),
        (Sighting(1, connected=True, since=NOW - LOST_AFTER), Sight.OUT),
        (Sighting(1, since=NOW - 1), Sight.HELD),
        (Sighting(1, acked="d", since=NOW - LOST_AFTER), Sight.OUT),
    ],
    ids=[
        "never seen",
        "its warden is away",
        "acked",
        "acked nothing to reach",
        "acked before we came",
        "just came",
        "came and takes nothing",
        "just went",
        "gone",
    ],
)
def test_how_far_a_gateway_reaches(sighting: Sighting | None, expected: Reach) -> None:
    assert reach(sighting, LEDGER, NOW) == expected


def said(*instances: object, before: link.Summary | None = None, **gateways: Reach) -> link.Summary | None:
    """The summary of east with these instances, and gateways `ew` and `ew_2` reaching so far; `...` is everything."""
    given = world(*instances, gateways=(GATEWAY,))  # type: ignore[arg-type]
    made = compose(given)
    picks = made.plans["ew"].target.proof.picks
    known = {"ew": GATEWAY, "ew_2": SECOND}
    reaches = {known[name]: picks if seen == frozenset({"*"}) else seen for name, seen in gateways.items()}
    held = given.meshes[MESH]
    return summarise(held, made.shared[MESH].local, given.place.here, reaches, before or link.Summary(mesh=MESH))


ALL = frozenset({"*"})


def nodes(summary: link.Summary | None) -> dict[str, int]:
    assert summary is not None
    return {node.node: len(node.slots) for node in summary.nodes}


def test_what_the_gateway_acked_is_announced_with_its_health() -> None:
    summary = said(FRONT, instance("blue", zone="a", health=Health.UNHEALTHY), ew=ALL)
    assert summary is not None
    assert (summary.generation, list(summary.gateways)) == (1, ["10.0.0.9:15443"])
    (blue,) = (n for n in summary.nodes if n.node == "blue")
    (slot,) = blue.slots
    assert (slot.zone, slot.health, slot.weight, list(slot.ports), blue.count) == ("a", "unhealthy", 1, [8080], 1)


def test_what_the_gateway_has_not_acked_is_not_announced() -> None:
    assert nodes(said(FRONT, BLUE, ew=frozenset())) == {}


def test_of_several_gateways_every_one_must_reach_a_slot() -> None:
    whole = said(FRONT, BLUE, ew=ALL, ew_2=ALL)
    assert nodes(whole) == {"front": 1, "blue": 1}
    assert whole is not None
    assert list(whole.gateways) == ["1.2.3.4:443", "10.0.0.9:15443"]
    assert nodes(said(FRONT, BLUE, ew=ALL, ew_2=frozenset())) == {}


def test_an_instance_without_a_proxy_cannot_be_reached_from_outside() -> None:
    assert nodes(said(FRONT, instance("blue", {}), ew=ALL)) == {"front": 1}


@pytest.mark.parametrize("seen", [Sight.HELD, Sight.UNSEEN], ids=["just changed", "out of sight"])
def test_what_was_announced_stands_while_a_gateway_is_not_seen(seen: Sight) -> None:
    before = said(FRONT, BLUE, ew=ALL, ew_2=ALL)
    assert said(FRONT, BLUE, before=before, ew=ALL, ew_2=seen) == before
    assert nodes(said(FRONT, BLUE, GREEN, before=before, ew=ALL, ew_2=seen)) == {"front": 1, "blue": 1}
    assert nodes(said(FRONT, before=before, ew=ALL, ew_2=seen)) == {"front": 1}, "an instance that is gone is gone"


def test_a_gateway_that_is_out_is_no_longer_announced() -> None:
    before = said(FRONT, BLUE, ew=ALL, ew_2=ALL)
    now = said(FRONT, BLUE, before=before, ew=ALL, ew_2=Sight.OUT)
    assert now is not None
    assert (list(now.gateways), now.generation) == (["10.0.0.9:15443"], 2)
    assert nodes(now) == {"front": 1, "blue": 1}
    assert nodes(said(FRONT, before=before, ew=Sight.OUT)) == {}


def test_a_replica_that_sees_no_gateway_says_nothing() -> None:
    assert said(FRONT, ew=Sight.UNSEEN) is None
    assert said(FRONT, before=said(FRONT, ew=ALL), ew=Sight.UNSEEN, ew_2=Sight.UNSEEN) is None


def test_a_cluster_without_gateways_says_that_it_has_none() -> None:
    summary = said(FRONT)
    assert summary == link.Summary(mesh=MESH, generation=1, bound=["front"])


def test_the_generation_grows_with_every_change_and_only_then() -> None:
    first = said(FRONT, ew=ALL)
    assert said(FRONT, before=first, ew=ALL) == first
    second = said(FRONT, BLUE, before=first, ew=ALL)
    assert second is not None
    assert second.generation == 2


def test_slots_are_listed_up_to_the_cap_and_counted_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.agent.summary.SLOT_CAP", 0)
    summary = said(FRONT, ew=ALL)
    assert summary is not None
    assert [(n.node, len(n.slots), n.count) for n in summary.nodes] == [("front", 0, 1)]
    assert SLOT_CAP == 50
