"""tail: the logs of all processes on one terminal, each line after the name of its process."""

import threading
from pathlib import Path
from typing import TextIO
from zlib import crc32

ROUND_SECONDS = 0.2
_COLOURS = (31, 32, 33, 34, 35, 36, 91, 92, 93, 94, 95, 96)
_NAME_WIDTH = 14


class Tail:
    """Follows the files of a folder from where they end now. `close` shows what is left."""

    def __init__(self, logs: Path, out: TextIO) -> None:
        self._logs, self._out, self._over = logs, out, threading.Event()
        self._read = {path: path.stat().st_size for path in logs.glob("*.log")}
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Show the last lines and end."""
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(ROUND_SECONDS):
            self._look()
        self._look()

    def _look(self) -> None:
        for path in sorted(self._logs.glob("*.log")):
            self._show(path)
        self._out.flush()

    def _show(self, path: Path) -> None:
        """The whole lines that were added; a file that became shorter was set aside, and a new one begun."""
        with path.open("rb") as file:
            begin = self._read.get(path, 0)
            file.seek(begin if begin <= path.stat().st_size else 0)
            added = file.read()
            whole = added[: added.rfind(b"\n") + 1]
            self._read[path] = file.tell() - len(added) + len(whole)
        prefix = self._prefix(path.stem)
        self._out.writelines(f"{prefix} {line}\n" for line in whole.decode(errors="replace").splitlines())

    def _prefix(self, name: str) -> str:
        padded = f"{name.ljust(_NAME_WIDTH)} |"
        colour = _COLOURS[crc32(name.encode()) % len(_COLOURS)]
        return f"\x1b[{colour}m{padded}\x1b[0m" if self._out.isatty() else padded
