"""change: from an accepted change to the last ACK, over two clusters of real Envoys, as the API reports it."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from bench import Figure

RUNS = 5
DEADLINE_SECONDS = 180.0


def run() -> list[Figure]:
    """The demo's check, several times: a change of a running mesh, and one right after the control plane was killed.

    The latter waits for whatever comes back last, so it is another figure and not a slower case of the first.
    """
    reports = [_report() for _ in range(RUNS)]
    timed = [list(_found(report, "commit_to_last_ack_ms")) for report in reports]
    running, restarted = (statistics.median(each) for each in zip(*timed, strict=True))
    seconds = [float(report["seconds"]) for report in reports]
    return [
        Figure("change → last ACK, 2 clusters, 7 Envoys", round(running, 1), "ms", 1000.0, RUNS),
        Figure("the same, seconds after the control plane was killed", round(restarted, 1), "ms", None, RUNS),
        Figure("`isthmus demo --check`, the whole scenario", round(statistics.median(seconds), 1), "s", 90.0, RUNS),
    ]


def _report() -> Mapping[str, Any]:
    command = [sys.executable, "-m", "isthmus.cli.main", "demo", "--check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True)
    report: Mapping[str, Any] = json.loads(done.stdout)
    return report


def _found(report: Mapping[str, Any], name: str) -> Iterator[float]:
    for step in report["steps"]:
        value = step["details"].get(name)
        if value is not None:
            yield float(value)
