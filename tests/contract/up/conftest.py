"""What tests of running things share: a directory with a short path, and what processes are there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import pytest


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name (108 bytes)."""
    folder = Path(mkdtemp(prefix="isthmus-"))
    yield folder
    shutil.rmtree(folder)


def running(*pids: int) -> list[int]:
    """Those of the processes that run; a zombie has ended, and whoever adopted it may reap it late or never."""

    def runs(pid: int) -> bool:
        with suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        return False

    return [pid for pid in pids if runs(pid)]


def naming(text: Path) -> list[int]:
    """The processes, other than this one, whose command line or working directory names a path below `text`."""

    def names(folder: Path) -> bool:
        with suppress(OSError):
            return str(text).encode() in (folder / "cmdline").read_bytes() + os.fsencode((folder / "cwd").readlink())
        return False

    return running(
        *(int(f.name) for f in Path("/proc").iterdir() if f.name.isdigit() and f.name != str(os.getpid()) and names(f))
    )
