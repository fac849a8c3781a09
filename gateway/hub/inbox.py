"""inbox: what an agent has said and the feed has not heard yet.

Everything an agent reports is a state, not an event, so of two reports of one thing the newer stands for both and a
storm of acks becomes a few writes. A report that changes something somebody waits for (counts, topology, a refusal)
goes at once; the rest waits its turn. Decisions only: the stream's tasks carry them out.
"""

from collections.abc import Iterable
from hashlib import sha256

from gateway.proto import link_pb2 as link
from isthmus.errors import Exhausted

LIMIT = 10_000
"""Distinct things that one agent may have waiting: more is a fault or an attack, and must not become our memory."""

Thing = tuple[str, ...]


class Inbox:
    """The newest report of each thing, and whether it is urgent."""

    def __init__(self) -> None:
        self._waiting: dict[Thing, link.FromAgent] = {}
        self._urgent = False
        self._posted: dict[Thing, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def urgent(self) -> bool:
        """Whether something in here goes at once."""
        return self._urgent

    def put(self, message: link.FromAgent) -> None:
        """Take a heartbeat, summary, acks or refusal; Exhausted if there is too much waiting."""
        for thing, part in _parts(message):
            self._waiting[thing] = part
            self._urgent |= self._posted.get(thing, b"") != _weight(part)
        if len(self._waiting) > LIMIT:
            raise Exhausted(f"more than {LIMIT} reports are waiting to be written")

    def put_back(self, messages: Iterable[link.FromAgent]) -> None:
        """What `take` gave and could not be written: it waits again, under anything newer."""
        for message in messages:
            for thing, part in _parts(message):
                self._waiting.setdefault(thing, part)
                self._posted.pop(thing, None)

    def take(self) -> list[link.FromAgent]:
        """Everything that waits, acks in one message; the inbox is empty after.

        Acks come first: a heartbeat that says "applied" before anybody is counted would pass for a cluster without
        proxies.
        """
        waiting, self._waiting, self._urgent = self._waiting, {}, False
        if len(self._posted) > LIMIT:
            self._posted.clear()
        self._posted.update((thing, _weight(part)) for thing, part in waiting.items())
        acks = [view for part in waiting.values() for view in part.acks.views]
        others = [part for part in waiting.values() if part.WhichOneof("body") != "acks"]
        return [*([link.FromAgent(acks=link.Acks(views=acks))] if acks else []), *others]


class Pace:
    """A bucket of writes: `burst` at once, `rate` a second after; what is not urgent leaves half of it untouched."""

    def __init__(self, now: float, burst: float = 8, rate: float = 4) -> None:
        self._burst = burst
        self._rate = rate
        self._full = burst
        self._at = now

    def wait(self, now: float, *, urgent: bool) -> float:
        """Seconds until the next write may go, 0 for now."""
        self._full = min(self._burst, self._full + (now - self._at) * self._rate)
        self._at = now
        needed = 1 if urgent else self._burst / 2
        return max(0.0, (needed - self._full) / self._rate)

    def spend(self) -> None:
        """One write goes."""
        self._full -= 1


def _parts(message: link.FromAgent) -> Iterable[tuple[Thing, link.FromAgent]]:
    """Each thing reported, with a message about it alone."""
    match message.WhichOneof("body"):
        case "acks":
            for view in message.acks.views:
                yield ("acks", view.mesh, view.view), link.FromAgent(acks=link.Acks(views=[view]))
        case "summary":
            yield ("summary", message.summary.mesh), message
        case "refusal":
            position = message.refusal.position
            yield ("refusal", str(position.lane), position.mesh, position.version, message.refusal.resource), message
        case "heartbeat":
            yield ("heartbeat",), message


def _weight(part: link.FromAgent) -> bytes:
    """What makes a report urgent when it differs: counts and not the time of the last one; a heartbeat never is."""
    if part.WhichOneof("body") == "heartbeat":
        return b""
    if part.WhichOneof("body") != "acks":
        return sha256(part.SerializeToString(deterministic=True)).digest()
    view = link.ViewAcks()
    view.CopyFrom(part.acks.views[0])
    view.ClearField("last_ack")
    return sha256(view.SerializeToString(deterministic=True)).digest()
