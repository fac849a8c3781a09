"""backoff: how long to wait before dialling again: soon at first, never in step with others, never longer than 5 s.

The hub may restart with ten thousand agents waiting; full jitter spreads them (AWS Architecture Blog, "Exponential
Backoff And Jitter"). The longest wait is short because until then a change cannot reach the cluster. Who was refused
waits longer: nothing will be different in a moment.
"""

import random

FIRST, LONGEST, REFUSED = 0.2, 5.0, 30.0
"""Seconds."""


def seconds(failures: int, spread: float, *, refused: bool = False) -> float:
    """The wait after so many failures in a row (1 and more); `spread` in [0, 1)."""
    whole = REFUSED if refused else min(LONGEST, FIRST * 2.0 ** min(failures - 1, 10))
    return whole * (0.5 + spread / 2)


def spread() -> float:
    """A draw for `seconds`."""
    return random.random()  # noqa: S311 - jitter, no secret
