"""steps: what is being done and how long it took, for whoever waits, and for the report in the end."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


@dataclass
class Steps:
    """A line for each step: at its begin where that can be overwritten, and at its end with its time."""

    out: TextIO = field(default_factory=lambda: sys.stderr)
    taken: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Around one step; if it raises, its line says that it failed."""
        begin = time.monotonic()
        if self.out.isatty():
            self._write(f"  … {name}")
        try:
            yield
        except BaseException:
            self._end("×", _RED, name, begin)
            raise
        self._end("✓", _GREEN, name, begin)
        self.taken.append((name, time.monotonic() - begin))

    def say(self, text: str) -> None:
        """A line between steps."""
        self._write(f"{text}\n")

    def _end(self, mark: str, colour: str, name: str, begin: float) -> None:
        terminal = self.out.isatty()
        mark = f"\r{colour}{mark}{_PLAIN}" if terminal else mark
        self._write(f"  {mark} {name}, {time.monotonic() - begin:.1f} s\n".replace("  \r", "\r  "))

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()
