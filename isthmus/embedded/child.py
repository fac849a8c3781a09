"""child: one process that we keep running: what it is, and the one that runs now.

It is the leader of a session of its own, so that a Ctrl-C in the terminal reaches us alone and we stop things in order;
and it is tethered, so that it ends when we do even if we are killed -9.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from isthmus.embedded import backoff
from isthmus.embedded.tether import tether

LOG_LIMIT = 16 * 1024 * 1024
"""A log that has grown beyond this many bytes is set aside (one old copy is kept) when its process starts."""


class Server(Protocol):
    """Something with its own way to start: PostgreSQL and Valkey."""

    @property
    def env(self) -> Mapping[str, str]: ...
    def prepare(self) -> None: ...
    def command(self) -> list[str]: ...
    def ready(self, pid: int) -> bool: ...


def _nothing() -> None:
    """Nothing has to be prepared."""


def _at_once(_pid: int) -> bool:
    """It is ready when it runs."""
    return True


@dataclass(frozen=True)
class Program:
    """What to run. `needs` names programs that must be ready before; `once`: it ends by itself, and then it is ready.

    `command` is called at each start, after `prepare`; `ready` is asked with its process id until it says yes.
    """

    name: str
    command: Callable[[], Sequence[str]]
    env: Callable[[], Mapping[str, str]]
    needs: tuple[str, ...] = ()
    prepare: Callable[[], None] = _nothing
    ready: Callable[[int], bool] = _at_once
    once: bool = False
    stop: signal.Signals = signal.SIGTERM
    orphaned: signal.Signals = signal.SIGKILL
    """What it gets when we die: by default the certain thing."""
    grace: float = 10.0
    """Seconds from `stop` to SIGKILL."""

    @classmethod
    def of(cls, name: str, server: Server, stop: signal.Signals) -> "Program":
        """PostgreSQL or Valkey, which write what they hold before they end."""
        return cls(
            name,
            server.command,
            lambda: server.env,
            prepare=server.prepare,
            ready=server.ready,
            stop=stop,
            orphaned=stop,
        )


@dataclass
class Child:
    """A program and its process. Changed by the supervisor only, in the main thread."""

    program: Program
    log: Path
    process: subprocess.Popen[bytes] | None = None
    is_ready: bool = False
    held: bool = False
    started: float = 0.0
    not_before: float = 0.0
    failures: int = 0
    stop_by: float = 0.0
    """When patience with a process that is to end is over; 0 while it may run."""
    last_exit: str = ""
    ended: list[int] = field(default_factory=list)
    """Process ids that it has had."""

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Start the program; OSError or RuntimeError if that cannot be done."""
        self.program.prepare()
        _set_aside(self.log)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.program.command()),
                env=dict(self.program.env()),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tether(self.program.orphaned),  # noqa: PLW1509 - safe: it calls prctl only
            )
        self.started, self.is_ready = time.monotonic(), False

    def look(self) -> bool:
        """Notice an end or readiness; whether anything has changed."""
        if self.process is None:
            return False
        code = self.process.poll()
        if code is not None:
            self._ended(code)
            return True
        if not self.is_ready and not self.program.once and self.program.ready(self.process.pid):
            self.is_ready = True
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    def wind_down(self) -> None:
        """One look at a process that is to end: asked first, and killed with all it has made when its grace is over."""
        if not self.stop_by:
            self.stop_by = time.monotonic() + self.program.grace
            self.signal(self.program.stop)
        elif time.monotonic() > self.stop_by:
            self.kill_group()
        self.look()

    def kill_group(self) -> None:
        """SIGKILL to everything in its session: for what did not end in time, and what it left behind."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def release(self) -> None:
        """It may run again, at once, and what happened while it was held is not held against it."""
        self.held, self.not_before, self.failures = False, 0.0, 0

    def well(self) -> bool:
        """Whether its last death is forgotten: it is ready, and has been running for as long as `backoff` asks."""
        return self.is_ready and (self.program.once or time.monotonic() - self.started >= backoff.STEADY_SECONDS)

    def failed(self, why: str) -> None:
        """It could not be started, or has died: when it may be tried again."""
        lived = time.monotonic() - self.started if self.started else 0.0
        self.failures = backoff.failures(self.failures, lived)
        self.not_before = time.monotonic() + backoff.pause(self.failures)
        self.last_exit = why

    def _ended(self, code: int) -> None:
        assert self.process is not None
        self.kill_group()
        self.ended.append(self.process.pid)
        self.process = None
        self.is_ready = self.program.once and code == 0
        if not self.is_ready:
            self.failed(signal.Signals(-code).name if code < 0 else f"exit code {code}")


def _set_aside(log: Path) -> None:
    with suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
