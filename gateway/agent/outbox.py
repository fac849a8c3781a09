"""outbox: what a hub has not been told on this stream.

Everything reported is a state, so the newest stands for all before it and a new stream is simply told everything.
Counts belong to a delivery: an offer that comes again with the content of the last one is a new delivery, so its counts
are said anew although nothing about them has changed.
"""

from collections.abc import Iterator

from gateway.agent.settling import Settled
from gateway.proto import link_pb2 as link

_Told = tuple[int, link.ViewAcks]


class Outbox:
    """What this stream has been told."""

    def __init__(self) -> None:
        self._acks: dict[tuple[str, str], _Told] = {}
        self._summaries: dict[str, link.Summary] = {}

    def acks(self, settled: Settled) -> link.Acks | None:
        """The counts that are news, as one message; None without any."""
        sequences = {p.mesh: p.sequence for p in settled.positions if p.lane == link.DEFINITION}
        now = {key: (sequences[key[0]], view) for key, view in settled.counts.items()}
        news = [view for key, (sequence, view) in now.items() if self._acks.get(key) != (sequence, view)]
        self._acks = now
        return link.Acks(views=news) if news else None

    def summaries(self, settled: Settled) -> Iterator[link.Summary]:
        """The summaries that are news."""
        for mesh, summary in settled.summaries.items():
            if self._summaries.get(mesh) != summary:
                self._summaries[mesh] = summary
                yield summary
