"""control_plane: a whole `isthmus up` on fresh data, for benchmarks to measure. No benchmark itself."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus.embedded.ports import free_base

DEADLINE_SECONDS = 60.0


@contextmanager
def running() -> Iterator[Mapping[str, Any]]:
    """A control plane on fresh data, and its ready file."""
    home = Path(tempfile.mkdtemp(prefix="isthmus-"))
    ready = home / "ready.json"
    command = [sys.executable, "-m", "isthmus.cli.main", "up", "--data-dir", str(home / "data")]
    up = subprocess.Popen(
        [*command, "--port-base", str(free_base(range(500), os.getpid())), "--ready-file", str(ready)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not ready.exists():
            if up.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"isthmus up was not ready within {DEADLINE_SECONDS} s")
            time.sleep(0.01)
        yield json.loads(ready.read_text())
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(30)
        shutil.rmtree(home, ignore_errors=True)
