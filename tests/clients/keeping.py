"""keeping: what tests install for themselves, once for each version of what says what it is, beside our Python."""

import fcntl
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path


def kept(source: Path, install: Callable[[Path], None]) -> Path:
    """A copy of a folder with what `install` has added to it, whole or not at all; whoever comes second waits."""
    said = sha256(b"".join(file.read_bytes() for file in sorted(source.iterdir()) if file.is_file()))
    home = Path(sys.prefix) / "clients" / f"{source.name}-{said.hexdigest()[:16]}"
    home.parent.mkdir(exist_ok=True)
    with (home.parent / f"{source.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            _make(source, home, install)
    return home


def _make(source: Path, home: Path, install: Callable[[Path], None]) -> None:
    making = home.with_name(f"{source.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    shutil.copytree(source, making, ignore=shutil.ignore_patterns("node_modules"))
    install(making)
    making.rename(home)
