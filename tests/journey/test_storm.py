"""No accepted change is lost, whoever is killed."""

from tests.journey.storm import VICTIMS, storm


def test_no_accepted_change_is_lost_when_valkey_worker_and_relay_are_killed() -> None:
    count = storm(kills=6, seed=1)
    print(count.line)  # noqa: T201 - the counts belong into the log
    assert set(count.kills) == set(VICTIMS)
    assert count.committed > 50, count.line
    assert count.rolled_back > 5, count.line
    assert (count.missing, count.phantoms, count.unkept_promises) == (0, 0, 0), count.line
