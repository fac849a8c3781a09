"""places: where an installation on one machine keeps its things, below one directory of mode 0700.

Only the sockets may lie elsewhere: their paths must be shorter than 108 bytes (unix(7)), and a data directory's need
not be. Then they are in a directory of ours under the temporary one, named by a digest of the data directory.
"""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_ROOM = 80  # for the directory; the longest name in it is shorter than the rest of 108


class InUse(RuntimeError):
    """Another process runs on this data directory."""


@dataclass(frozen=True, slots=True)
class Places:
    """The files and folders of one data directory."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> "Places":
        """Make the directory where it is missing."""
        root = root.expanduser().absolute()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(root)

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def master_key(self) -> Path:
        return self.root / "keys" / "master.key"

    @property
    def link_ca_cert(self) -> Path:
        return self.root / "keys" / "link-ca.pem"

    @property
    def link_ca_key(self) -> Path:
        return self.root / "keys" / "link-ca.key.sealed"

    @property
    def credentials(self) -> Path:
        """The bootstrap token and access key, which the database knows by their hashes only."""
        return self.root / "credentials.json"

    def sockets(self) -> Path:
        """A folder with a short enough path, made where missing; RuntimeError if somebody else could reach into it."""
        folder = self.root / "run"
        if len(os.fsencode(folder)) >= _ROOM:
            digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
            folder = Path(tempfile.gettempdir()) / f"isthmus-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o077 or not folder.is_dir():
            raise RuntimeError(f"{folder} must be a directory of ours that nobody else may enter")
        return folder

    def lock(self) -> IO[str]:
        """Hold the directory until the returned file is closed or we die; InUse naming who holds it otherwise."""
        file = (self.root / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise InUse(
                f"{self.root} is in use by another isthmus, process {holder}; stop that, or use --data-dir"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        return file


def default_root() -> Path:
    """`$XDG_DATA_HOME/isthmus`, by default `~/.local/share/isthmus`."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "isthmus"


def write_private(path: Path, value: Mapping[str, Any]) -> None:
    """JSON, readable by us alone, there wholly or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(value, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
