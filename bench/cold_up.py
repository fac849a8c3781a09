"""cold up: from nothing to a control plane through every process of which a request has gone."""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import Figure
from isthmus.embedded.ports import free_base

RUNS = 5
DEADLINE_SECONDS = 60.0


def run() -> list[Figure]:
    """Start and stop `isthmus up` on fresh data; the median seconds to its ready file."""
    taken = [_once() for _ in range(RUNS)]
    return [Figure("cold `isthmus up` → ready", round(statistics.median(taken), 2), "s", 15.0, RUNS)]


def _once() -> float:
    home = Path(tempfile.mkdtemp(prefix="isthmus-"))
    ready = home / "ready.json"
    command = [sys.executable, "-m", "isthmus.cli.main", "up", "--data-dir", str(home / "data")]
    began = time.monotonic()
    up = subprocess.Popen(
        [*command, "--port-base", str(free_base(range(500), os.getpid())), "--ready-file", str(ready)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not ready.exists():
            if up.poll() is not None or time.monotonic() > began + DEADLINE_SECONDS:
                raise RuntimeError(f"isthmus up was not ready within {DEADLINE_SECONDS} s")
            time.sleep(0.01)
        return time.monotonic() - began
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(30)
        shutil.rmtree(home, ignore_errors=True)
