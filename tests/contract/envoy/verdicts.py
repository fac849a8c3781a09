"""verdicts: what a running Envoy says of many listeners at once: far sooner than a validation of each (45 ms).

It names every listener of a response that it refuses, but keeps to 4 KiB; so they come in portions.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2

from isthmus.ir.mesh import AccessLog
from isthmus.xds import access_logs, listeners
from isthmus.xds.snapshot import Resource, Type
from tests.contract.envoy.ads import Ads
from tests.contract.envoy.feeding import Running, bootstrap
from tests.until import until

_ROOM, _AROUND = 3800, 160
"""Characters of one refusal, and what Envoy writes around a format at most."""

_CLUSTER = Resource(Type.CLUSTER, "nowhere", cluster_pb2.Cluster(name="nowhere").SerializeToString())
"""An Envoy asks for listeners only after it has got clusters, or has waited long enough for them."""

Change = Callable[[accesslog_pb2.AccessLog], accesslog_pb2.AccessLog]


class Judge:
    """One Envoy that is asked."""

    def __init__(self, envoy: Path | None = None) -> None:
        self._numbers = itertools.count()
        self._ads = Ads()
        self._ads.give("judge", [_CLUSTER])
        self._envoy = Running(lambda admin: bootstrap("judge", self._ads.port, admin), envoy=envoy)

    def stop(self) -> None:
        """Leaves nothing running."""
        self._envoy.stop()
        self._ads.stop()

    def logs(self, asked: Iterable[AccessLog], change: Change = lambda log: log) -> list[str]:
        """Why each log is refused, in Envoy's words; empty where it is not. `change`: what is done to it before."""
        out: list[str] = []
        for portion in _portions(list(asked)):
            out += self._portion([next(access_logs.written(log)) for log in portion], change)
        return out

    def _portion(self, logs: Sequence[accesslog_pb2.AccessLog], change: Change) -> list[str]:
        made = {f"asked-{next(self._numbers)}": change(log) for log in logs}
        accepted, rejected = self._answers()
        self._ads.refused.clear()
        self._ads.give("judge", [_CLUSTER, *(_listening(name, log) for name, log in made.items())])
        until(lambda: self._answers() != (accepted, rejected), 30, 0.002)
        if self._answers()[1] == rejected:
            return [""] * len(made)
        until(lambda: bool(self._ads.refused))
        found = re.split(r"(asked-\d+): ", self._ads.refused[0])
        refused = dict(zip(found[1::2], found[2::2], strict=True))
        return [refused.get(name, "").strip() for name in made]

    def _answers(self) -> tuple[int, int]:
        """How many responses with listeners Envoy has taken and refused, by its own count."""
        try:
            counted = self._envoy.stats("listener_manager.lds.update_")
        except OSError:
            return 0, 0  # not there yet
        success, rejected = (counted.get(f"listener_manager.lds.update_{how}", 0) for how in ("success", "rejected"))
        return success, rejected


@contextmanager
def judging(envoy: Path | None = None) -> Iterator[Judge]:
    """Ours, or another."""
    judge = Judge(envoy)
    try:
        yield judge
    finally:
        judge.stop()


def _portions(asked: Sequence[AccessLog]) -> Iterator[Sequence[AccessLog]]:
    portion: list[AccessLog] = []
    room = _ROOM
    for log in asked:
        size = 2 * len(log.text or str(log.members)) + _AROUND
        if portion and size > room:
            yield portion
            portion, room = [], _ROOM
        portion.append(log)
        room -= size
    if portion:
        yield portion


def _listening(name: str, log: accesslog_pb2.AccessLog) -> Resource:
    """A listener that takes nothing, with a log."""
    out = listener_pb2.Listener(name=name)
    out.internal_listener.SetInParent()
    out.filter_chains.add(filters=[listeners.piped(name, "nowhere", None)])
    out.access_log.append(log)
    return Resource(Type.LISTENER, name, out.SerializeToString(deterministic=True))
