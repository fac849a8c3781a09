"""The supervisor: keeps programs running, each after those it needs, and stops them in the opposite order.

It lives in the main thread, because a tethered child ends with the thread that made it; other threads ask it to hold a
program down, to release it, or to end, and the next round does that. It adopts orphans (a postmaster that is killed -9
leaves its backends), so that nothing of ours is ever left to a process that does not reap.
"""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from isthmus.embedded.child import Child, Program

ROUND_SECONDS = 0.02
_PR_SET_CHILD_SUBREAPER = 36

Notice = Callable[[str, str], None]
"""Told of (program, what happened)."""


class Supervisor:
    """Programs by name. `notice` hears of starts, readiness and deaths; logs go to `logs`/NAME.log."""

    def __init__(self, logs: Path, notice: Notice) -> None:
        self._logs, self._notice = logs, notice
        self._children: dict[str, Child] = {}
        self._lock = threading.RLock()
        self._over = threading.Event()
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def add(self, *programs: Program) -> None:
        """Run these from the next round on."""
        with self._lock:
            for program in programs:
                assert program.name not in self._children, f"two programs are called {program.name}"
                assert set(program.needs) <= set(self._children), f"{program.name} needs what is not there yet"
                self._children[program.name] = Child(program, self._logs / f"{program.name}.log")

    def run(self) -> None:
        """Supervise until `finish`, then stop everything. Main thread only."""
        try:
            while not self._over.is_set():
                self.round()
                self._over.wait(ROUND_SECONDS)
        finally:
            self.stop()

    def finish(self) -> None:
        """End `run`, from any thread or a signal handler."""
        self._over.set()

    @property
    def finished(self) -> bool:
        """Whether it is to end, or has."""
        return self._over.is_set()

    def round(self) -> None:
        """Notice what has ended or become ready, and start what is due. Main thread only."""
        with self._lock:
            for child in self._children.values():
                if child.look():
                    self._tell(child)
            for child in self._children.values():
                if self._due(child):
                    self._start(child)
        reap_orphans(self.pids())

    def ready(self, names: Iterable[str] = ()) -> bool:
        """Whether all these (by default all) programs are ready."""
        with self._lock:
            chosen = list(names) or list(self._children)
            return all(self._children[name].is_ready for name in chosen)

    def hold(self, *names: str) -> None:
        """Kill these -9 and keep them down until released. Returns when they are gone; from any thread."""
        with self._lock:
            for name in names:
                self._children[name].held = True
                self._children[name].signal(signal.SIGKILL)
        for name in names:
            self._await_end(name)

    def release(self, *names: str) -> None:
        """Let these be started again."""
        with self._lock:
            for name in names:
                self._children[name].release()

    def kill(self, name: str) -> None:
        """Kill -9 a program's process, as an accident would."""
        with self._lock:
            self._children[name].signal(signal.SIGKILL)

    def pids(self) -> Mapping[str, int]:
        """The process of each program that runs."""
        with self._lock:
            return {name: child.pid for name, child in self._children.items() if child.pid}

    def all_pids(self) -> frozenset[int]:
        """Every process that has been started, also those that ended."""
        with self._lock:
            ended = {pid for child in self._children.values() for pid in child.ended}
            return frozenset(ended | set(self.pids().values()))

    def trouble(self, deaths: int = 1) -> Mapping[str, str]:
        """Programs that died at least so often in a row and are not well: how the last one ended, where its log is."""
        with self._lock:
            ill = [c for c in self._children.values() if c.failures >= deaths and not c.held and not c.well()]
            return {c.program.name: f"{c.last_exit}, log {c.log}" for c in ill}

    def stop(self) -> None:
        """Stop everything, each when nothing that needs it runs any more. Main thread only."""
        with self._lock:
            for child in self._children.values():
                child.held = True
            while running := [c for c in self._children.values() if c.process]:
                needed = {name for child in running for name in child.program.needs}
                for child in running:
                    if child.program.name not in needed:
                        child.wind_down()
                time.sleep(ROUND_SECONDS / 2)
        reap_orphans({})

    def _due(self, child: Child) -> bool:
        down = child.process is None and not child.held and not child.is_ready
        needs = (self._children[name] for name in child.program.needs)
        return down and time.monotonic() >= child.not_before and all(n.is_ready for n in needs)

    def _start(self, child: Child) -> None:
        try:
            child.start()
            self._notice(child.program.name, f"started, process {child.pid}")
        except (OSError, RuntimeError) as e:
            child.failed(str(e))
            self._notice(child.program.name, f"cannot be started: {e}")

    def _tell(self, child: Child) -> None:
        if child.is_ready:
            took = time.monotonic() - child.started
            self._notice(child.program.name, f"{'done' if child.program.once else 'ready'} after {took:.1f} s")
        elif child.process is None and not child.held:
            wait = max(0.0, child.not_before - time.monotonic())
            self._notice(child.program.name, f"ended ({child.last_exit}); starting again in {wait:.1f} s")

    def _await_end(self, name: str) -> None:
        """Until the main thread's next rounds have noticed that it is gone (or look ourselves, if we are it)."""
        while True:
            with self._lock:
                child = self._children[name]
                if threading.current_thread() is threading.main_thread():
                    child.look()
                if child.process is None:
                    return
            time.sleep(ROUND_SECONDS)


def reap_orphans(known: Mapping[str, int]) -> None:
    """Reap adopted children that have ended: not `known` ones, and not those of this session, which somebody awaits."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in known.values() or _session(ended.si_pid) == os.getsid(0):
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def _session(pid: int) -> int:
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
    return os.getsid(0)
