"""backoff: how long a process that died stays down before it is started again.

The first restart is nearly at once, because most deaths are one-off and somebody is waiting; a process that keeps dying
is not allowed to take the machine with it.
"""

FIRST_SECONDS, MOST_SECONDS = 0.1, 10.0
STEADY_SECONDS = 10.0
"""A process that lived so long was well: its next death counts as the first."""


def failures(before: int, lived: float) -> int:
    """How many deaths in a row this one makes, for a process that lived `lived` seconds."""
    return 1 if lived >= STEADY_SECONDS else before + 1


def pause(count: int) -> float:
    """Seconds to wait after the `count`-th death in a row: doubling from a tenth to ten."""
    return float(min(MOST_SECONDS, FIRST_SECONDS * 2 ** (count - 1)))
