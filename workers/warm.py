"""warm: compilers kept from one compile of a mesh to the next, so that a change costs what it reaches.

What is kept is a cache: a worker without it compiles the whole mesh and comes to the same bytes. A mesh's compilers
are taken out while they are used, so that two threads never share them, and put back when what they made is committed:
their content is what the store has.
"""

import gc
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from isthmus.xds.compile import Compiler, Ground

MOST_DOCUMENTS = 100_000
"""How many documents the kept meshes may have in all, times their clusters; the newest mesh stays in any case."""


@dataclass(frozen=True)
class Kept:
    """A mesh's compilers by cluster, and the revision that they are at."""

    revision: int
    ground: Ground
    compilers: Mapping[str, Compiler]

    @property
    def size(self) -> int:
        """In documents, each as often as it is compiled."""
        return sum(len(compiler) for compiler in self.compilers.values())

    def close(self) -> None:
        """Let go of the compilers."""
        for compiler in self.compilers.values():
            compiler.close()


class Warm:
    """The compilers of one process, by mesh; those used longest ago go first when there are too many."""

    def __init__(self, most: int = MOST_DOCUMENTS) -> None:
        self._kept: dict[UUID, Kept] = {}
        self._most = most
        self._lock = threading.Lock()

    def take(self, mesh: UUID) -> Kept | None:
        """A mesh's compilers, out of here."""
        with self._lock:
            return self._kept.pop(mesh, None)

    def keep(self, mesh: UUID, kept: Kept) -> None:
        """A mesh's compilers, back or for the first time."""
        with self._lock:
            before = self._kept.pop(mesh, None)
            if before is not None:
                before.close()
            self._kept[mesh] = kept
            while len(self._kept) > 1 and sum(each.size for each in self._kept.values()) > self._most:
                self._kept.pop(next(iter(self._kept))).close()


def calm_collector() -> None:
    """Let Python look for cycles seldom: a full compile makes 100,000s of small things that stay.

    With Python's own thresholds the collector takes up to half of its time (measured; docs/decisions/008). Compilers
    are closed when they go, because they refer to themselves all over and would be found late.
    """
    gc.set_threshold(1_000_000, 50, 50)
