"""file: instances from a watched YAML file (contracts.md), for machines that nothing else describes.

Leaving a file is an explicit delete and passes at once. A file that is gone, unreadable or breaks a rule says nothing:
the last good one stays, marked stale, and every violation is logged. The watch compares what `stat` says every 50 ms,
which works on any file system and follows an editor's rename; it reads once the file has kept still from one look to
the next, because half a file may be good YAML with half the instances.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from gateway.agent.discovery import Found
from gateway.agent.discovery.listing import parse
from gateway.agent.finishing import finished
from gateway.edge import disk
from gateway.edge.lines import line
from isthmus.errors import Invalid

POLL_SECONDS = 0.05
"""A quarter of the 200 ms that a change may take to be seen: it takes two looks, three if it is still being written."""
LOG = logging.getLogger("isthmus.agent.discovery")

Stamp = tuple[int, ...]
"""What `stat` says of a file; empty if there is none."""


class FileDiscovery:
    """`Discovery` from one file. `kept`: where what was good last is kept, for a start while the file is broken."""

    def __init__(self, path: Path, kept: Path) -> None:
        self._path, self._kept = path, kept
        text = disk.read(kept)
        self._last = Found() if text is None else parse(text.decode())

    async def watch(self) -> AsyncIterator[Found]:
        """What the file says, at once and after each change of it."""
        read: Stamp | None = None
        before = _stamp(self._path)
        while True:
            now = _stamp(self._path)
            if now == before and now != read:
                read = now
                yield await finished(self.read)
            before = now
            await asyncio.sleep(POLL_SECONDS)

    def read(self) -> Found:
        """The file now, or the last good one marked stale."""
        try:
            text = self._path.read_text(encoding="utf-8")
            self._last = parse(text)
            disk.write(self._kept, text.encode())
        except (OSError, UnicodeDecodeError) as error:
            LOG.warning(line("instances_unreadable", file=self._path, error=error))
            self._last = replace(self._last, stale=True)
        except Invalid as error:
            for v in error.violations:
                LOG.warning(line("instances_refused", file=self._path, at=v.pointer, code=v.code, detail=v.detail))
            self._last = replace(self._last, stale=True)
        return self._last


def _stamp(path: Path) -> Stamp:
    try:
        now = path.stat()
    except OSError:
        return ()
    return now.st_mtime_ns, now.st_size, now.st_ino
