"""wakes: one watch on the feed for all streams of a hub, and whom each change concerns.

A feed that fails is watched again a second later and everybody looks once, because what happened meanwhile is unknown.
Streams stay up: an agent whose hub has lost its database has lost nothing.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from gateway.hub.feed import Feed

log = logging.getLogger(__name__)

EVERYBODY = UUID(int=0)
_AGAIN = 1.0  # seconds until a failed watch is tried again


class Wakes:
    """An event per stream, by cluster."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._streams: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def listening(self, cluster: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever something of this cluster may have changed, and at first."""
        event = asyncio.Event()
        event.set()
        self._streams[cluster].add(event)
        try:
            yield event
        finally:
            self._streams[cluster].discard(event)
            if not self._streams[cluster]:
                del self._streams[cluster]

    def wake(self, cluster: UUID) -> None:
        """Let the streams of this cluster look, or all of them."""
        everybody = cluster == EVERYBODY
        for events in self._streams.values() if everybody else [self._streams.get(cluster, set())]:
            for event in events:
                event.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                async for cluster in self._feed.changes():
                    self.wake(cluster)
            except Exception:
                log.exception("the feed's changes cannot be watched; trying again")
            await asyncio.sleep(_AGAIN)
            self.wake(EVERYBODY)
