"""resolver: asks for the nodes that are called and that nobody has bound, each when it is due, a few at a time.

A task a question, so that one that hangs delays no other; which questions there are follows from what has settled.
What nothing refers to any more is forgotten; what is only not asked now, because instances have come, is not: when they
go its last answer serves until the next.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.agent.cluster import Cluster
from gateway.agent.compose import Names
from gateway.agent.discovery import kept
from gateway.agent.discovery.answers import Known, Sight, answered, unanswered
from gateway.agent.discovery.sources import Source
from gateway.agent.finishing import finished
from gateway.edge import backoff
from gateway.edge.lines import line
from isthmus.errors import Unavailable
from isthmus.ir.found import Discovery

LOG = logging.getLogger("isthmus.agent.discovery")
AT_ONCE = 16
KEEP_SECONDS = 5.0
"""Between two writes to the disk: what is kept is old in any case."""

Sources = Mapping[type[Any], Source[Any]]


class Resolver:
    """The questions of one cluster. `path`: where the last answers are kept."""

    def __init__(
        self, cluster: Cluster, sources: Sources, path: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster, self._sources, self._path, self._clock = cluster, sources, path, clock
        self._known = kept.read(path)
        self._tasks: dict[Discovery, asyncio.Task[None]] = {}
        self._seats = asyncio.Semaphore(AT_ONCE)
        self._followed: Names | None = None
        self._unkept = asyncio.Event()
        cluster.resolved(self._sights())

    async def run(self) -> None:
        """Ask until cancelled."""
        keeping = asyncio.create_task(self._keep())
        try:
            with self._cluster.listening() as changed:
                while True:
                    changed.clear()
                    self._follow()
                    await changed.wait()
        finally:
            ending = [keeping, *self._tasks.values()]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    def _follow(self) -> None:
        """Ask for what is to be asked for, and for nothing else."""
        names = self._cluster.settled.composition.names
        if names is self._followed:
            return
        self._followed = names
        for question in self._tasks.keys() - names.asked:
            self._tasks.pop(question).cancel()
        for question in names.asked - self._tasks.keys():
            self._tasks[question] = asyncio.create_task(self._ask(question))
        gone = self._known.keys() - names.discovered
        if gone:
            self._known = {question: known for question, known in self._known.items() if question not in gone}
            self._tell()

    async def _ask(self, question: Discovery) -> None:
        """Again and again, when it is due."""
        while True:
            known = self._known.get(question, Known())
            await asyncio.sleep(max(known.due - self._clock(), 0))
            async with self._seats:
                now = await self._asked(question, known)
            self._known[question] = now
            if now.sight != known.sight:
                self._say(question, known.sight, now.sight)
                self._tell()

    async def _asked(self, question: Discovery, known: Known) -> Known:
        try:
            answer = await self._sources[type(question)].ask(question, known.sight.addresses)
            return answered(known, question, answer, self._clock(), backoff.spread())
        except Unavailable as silent:
            return unanswered(known, str(silent), self._clock(), backoff.spread())
        except Exception as error:
            LOG.exception(line("asking_failed", asked=question))  # our bug; the other names go on
            return unanswered(known, f"asking failed: {error!r}", self._clock(), backoff.spread())

    def _say(self, question: Discovery, was: Sight, now: Sight) -> None:
        facts = {"asked": question, "addresses": ",".join(a.ip for a in now.addresses), "stale": now.stale}
        if now.error and now.error != was.error:
            LOG.warning(line("unresolved", **facts, error=now.error))
        elif now.addresses != was.addresses:
            LOG.info(line("resolved", **facts))

    def _sights(self) -> Mapping[Discovery, Sight]:
        return {question: known.sight for question, known in self._known.items()}

    def _tell(self) -> None:
        self._cluster.resolved(self._sights())
        self._unkept.set()

    async def _keep(self) -> None:
        """What is known, on disk soon after it has changed, and before we end."""
        try:
            while True:
                await self._unkept.wait()
                self._unkept.clear()
                await finished(kept.write, self._path, self._sights())
                await asyncio.sleep(KEEP_SECONDS)
        finally:
            if self._unkept.is_set():
                await finished(kept.write, self._path, self._sights())
