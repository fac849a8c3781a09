"""What a rollout does next, as a table of sentences."""

import pytest

from isthmus.rollout.decide import Advance, Decision, Done, Halt, Wait, decide
from isthmus.rollout.verdicts import Counts, Standing, Verdict, total
from isthmus.xds.snapshot import Phase

NACK = {"proxy": "p1", "type": "rds", "name": "outbound", "version": "1", "message": "missing ]: ["}


def standing(cluster: str = "east", *, applied: bool = True, expected: bool = True, **counts: object) -> Standing:
    """A cluster that stands so."""
    return Standing(cluster, applied, expected, Counts(**counts))  # type: ignore[arg-type]


ACKED = standing(connected=3, acked=3)
BEHIND = standing("west", connected=3, acked=2, stragglers=("p3",))
NACKED = standing("west", connected=3, acked=2, nacks=(NACK,))
LOST = standing("west", connected=2, acked=2, lost=1)
SILENT = standing("west", applied=False)
AWAY = standing("west", applied=False, expected=False)
EMPTY = standing("west")


@pytest.mark.parametrize(
    ("phase", "standings", "expected"),
    [
        (Phase.EXPAND, [ACKED], Advance(Phase.SHIFT)),
        (Phase.SHIFT, [ACKED, EMPTY], Advance(Phase.CONTRACT)),
        (Phase.CONTRACT, [ACKED], Done()),
        (Phase.CONTRACT, [ACKED, AWAY], Done(("west",))),
        (Phase.SHIFT, [ACKED, BEHIND], Wait("west have not answered")),
        (Phase.SHIFT, [ACKED, SILENT], Wait("west have not answered")),
        (Phase.EXPAND, [ACKED, NACKED], Halt("proxies in west refused the revision")),
        (Phase.EXPAND, [BEHIND, NACKED], Halt("proxies in west refused the revision")),
        (Phase.SHIFT, [LOST], Halt("proxies in west were lost after they were offered the revision")),
        (Phase.EXPAND, [], Advance(Phase.SHIFT)),
    ],
    ids=[
        "all acked: the next phase",
        "a cluster without proxies holds nothing up",
        "the last phase acked: done",
        "a cluster that was away is deferred by name",
        "one straggler waits",
        "a live cluster that has not applied the offer waits",
        "one nack halts at once",
        "a nack outweighs a straggler",
        "a proxy lost after the offer halts",
        "no cluster at all: nothing to wait for",
    ],
)
def test_a_rollout_decides(phase: Phase, standings: list[Standing], expected: Decision) -> None:
    assert decide(phase, standings) == expected


def test_counts_are_summed_over_views_and_replicas() -> None:
    one = {"connected": 2, "acked": 1, "lost": 0, "stragglers": ["b"], "nacks": [NACK], "last_ack": 5.0}
    two = {"connected": 1, "acked": 0, "lost": 1, "stragglers": ["a"], "nacks": [], "last_ack": 0.0}
    counts = total([one, two])
    assert (counts.connected, counts.acked, counts.lost, counts.nacked) == (3, 1, 1, 1)
    assert counts.stragglers == ("a", "b")
    assert counts.last_ack == 5.0


def test_a_cluster_without_proxies_is_unproven() -> None:
    assert EMPTY.verdict is Verdict.UNPROVEN
