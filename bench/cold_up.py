"""cold up: from nothing to a control plane through every process of which a request has gone."""

import statistics
import time

from bench import Figure
from bench.control_plane import running

RUNS = 5


def run() -> list[Figure]:
    """Start and stop `isthmus up` on fresh data; the median seconds to its ready file."""
    taken = [_once() for _ in range(RUNS)]
    return [Figure("cold `isthmus up` → ready", round(statistics.median(taken), 2), "s", 15.0, RUNS)]


def _once() -> float:
    began = time.monotonic()
    with running():
        return time.monotonic() - began
