"""flowing: a steady stream of requests while a definition changes phase by phase, and what became of each of them."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from isthmus.xds.overlap import differing, overlap
from isthmus.xds.snapshot import Phase, Snapshot
from tests.contract.envoy.asking import PATIENCE
from tests.contract.envoy.stage import HERE
from tests.until import until

STREAMS, OK = 3, 200


class Streams:
    """Requests one after another on a few connections. `answers`: how often who answered, or what went wrong."""

    def __init__(self, address: str, port: int, host: str) -> None:
        self.answers: Counter[str] = Counter()
        self._address, self._port, self._host, self._over = address, port, host, threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(STREAMS)]

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=PATIENCE)
        while not self._over.is_set():
            try:
                connection.request("GET", "/", headers={"Host": self._host})
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.answers[repr(error)] += 1
                connection.close()
                continue
            self.answers[_who(body) if response.status == OK else str(response.status)] += 1
        connection.close()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """While this lasts, and at least until something was answered."""
        for thread in self._threads:
            thread.start()
        try:
            until(lambda: self.answers)
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()


def _who(body: bytes) -> str:
    return str(json.loads(body)["app"])


def phases(old: Mapping[str, Snapshot], new: Mapping[str, Snapshot]) -> Iterator[Mapping[str, Snapshot]]:
    """What both clusters are offered, phase by phase."""
    for phase in Phase:
        yield {cluster: _between(phase, old[cluster], new[cluster]) for cluster in HERE}


def _between(phase: Phase, old: Snapshot, new: Snapshot) -> Snapshot:
    bodies = {**old.resources, **new.resources}
    needed = {version: bodies[version] for version in differing(old.manifest, new.manifest)}
    content = overlap(phase, old.manifest, new.manifest, needed)
    return Snapshot(content.manifest, {**bodies, **{table.ref.version: table for table in content.tables}})
