"""whole: `isthmus up` as a process of its own, for tests of it and of what needs all of a control plane."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.embedded.ports import free_base
from tests.contract.up.conftest import naming
from tests.until import until

READY_SECONDS = 60.0
OFFSETS = range(20)


@dataclass
class Up:
    """`isthmus up` on one data directory."""

    root: Path
    regions: Sequence[str] = ("us-east-1", "eu-west-1")
    base: int = field(default_factory=lambda: free_base(OFFSETS, seed=time.monotonic_ns()))
    process: "subprocess.Popen[str] | None" = None

    @property
    def ready_file(self) -> Path:
        """What it writes once everything answers."""
        return self.root / "ready.json"

    def start(self) -> dict[str, Any]:
        """Start it; what its ready file says once it is there."""
        self.ready_file.unlink(missing_ok=True)
        self.process = self.run()
        until(self._is_ready, READY_SECONDS)
        said: dict[str, Any] = json.loads(self.ready_file.read_text())
        return said

    def run(self) -> "subprocess.Popen[str]":
        """Only start it."""
        command = [sys.executable, "-m", "isthmus.cli.main", "up", "--data-dir", str(self.root / "data")]
        command += ["--port-base", str(self.base), "--ready-file", str(self.ready_file)]
        command += [word for region in self.regions for word in ("--region", region)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self, number: signal.Signals) -> str:
        """Send the signal; what it printed. Nothing of it is left after that."""
        assert self.process is not None
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=30)
        until(lambda: not naming(self.root))
        return said

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.process.communicate()[0]
        return self.ready_file.exists()
