"""ports: which TCP ports an installation uses, all within 500 of its base, and whose they are when they are taken.

Below 32000 because Linux hands out ports from 32768 upwards to outgoing connections: a fixed port up there is one day
taken by a stranger's client.
"""

import errno
import random
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

DEFAULT_BASE = 18000
SPAN = 500
_LOWEST, _BELOW = 1024, 32000
_LISTEN = "0A"  # the state column of /proc/net/tcp
PATIENCE_SECONDS = 3.0
"""What an `up` that was killed -9 leaves is gone within a second or so."""


class PortTaken(RuntimeError):
    """Another process listens where we want to."""

    def __init__(self, port: int, owner: str) -> None:
        super().__init__(f"port {port} is taken{owner and ' by ' + owner}; choose another with --port-base")


def check_base(base: int) -> int:
    """`base` if all of [base, base+499] can be used, else ValueError."""
    if not _LOWEST <= base < _BELOW:
        raise ValueError(f"the port base must be in [{_LOWEST}, {_BELOW - 1}], not {base}")
    return base


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether we could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT is not taken
        try:
            probe.bind((address, port))
        except OSError as e:
            if e.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def claim(ports: Iterable[int], *, address: str = "127.0.0.1", patience: float = PATIENCE_SECONDS) -> None:
    """Raise PortTaken for the first of these that stays taken for `patience` seconds."""
    deadline = time.monotonic() + patience
    for port in ports:
        while not is_free(port, address):
            if time.monotonic() > deadline:
                raise PortTaken(port, owner(port))
            time.sleep(0.05)


def free_base(ports: Sequence[int], seed: int) -> int:
    """A base from which all these offsets are free now. RuntimeError if there seems to be none."""
    bases = list(range(20000, _BELOW - SPAN, SPAN))
    random.Random(seed).shuffle(bases)  # noqa: S311 - only so that two that start together choose differently
    for base in bases:
        if all(is_free(base + offset) for offset in ports):
            return base
    raise RuntimeError("no free range of ports below 32000")


def owner(port: int) -> str:
    """`process 123 (nginx)`, or "" where /proc does not tell us."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / table, port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _holds(folder, wanted):
            with suppress(OSError):
                return f"process {folder.name} ({(folder / 'comm').read_text().strip()})"
    return ""


def _listening(table: Path, port: int) -> Iterable[str]:
    with suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _holds(process: Path, sockets: set[str]) -> bool:
    with suppress(OSError):
        for handle in (process / "fd").iterdir():
            with suppress(OSError):
                if str(handle.readlink()) in sockets:
                    return True
    return False
