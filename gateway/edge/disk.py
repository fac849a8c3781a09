"""disk: files that are whole or absent, whenever the power goes.

Written beside and renamed over, both file and folder synced; the content's digest leads, so that what a failing disk
returns is noticed and counts as absent. A lock keeps a second process off the same folder, where it would be a twin.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from gateway.edge.lines import line
from isthmus.errors import Conflict

LOG = logging.getLogger("isthmus.disk")
_DIGEST = 64


def write(path: Path, body: bytes) -> None:
    """Replace `path`; its folder is made if it is missing. Readable by its owner only: some of it is keys."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(sha256(body).hexdigest().encode() + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync(path.parent)


def read(path: Path) -> bytes | None:
    """What was written last; None, and a line in the log unless there is no such file, if it cannot be had."""
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        LOG.error(line("kept_unreadable", file=path, error=error))  # noqa: TRY400 - the reason is in the line
        return None
    digest, body = whole[:_DIGEST], whole[_DIGEST + 1 :]
    if sha256(body).hexdigest().encode() != digest:
        LOG.error(line("kept_damaged", file=path))
        return None
    return body


def remove(path: Path) -> None:
    """Forget a file, which may be gone already."""
    path.unlink(missing_ok=True)
    if path.parent.exists():
        _sync(path.parent)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; Conflict if another process holds it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another process runs on {folder}") from None
        yield
