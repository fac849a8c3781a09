"""The relay: carries due promises from PostgreSQL to Celery. It decides nothing and remembers nothing.

"Sent" is not "done": what is not processed within ten seconds is due again. One connection only LISTENs, because a
notification on the connection that also works waits for the work (778 ms instead of 3, platform.md §6).
"""

import logging
import signal
import threading
import time
from types import FrameType

import psycopg
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import OperationalError

from isthmus.settings import Settings
from isthmus.store import beats
from isthmus.store.database import Database
from isthmus.store.promises import due, next_due
from workers.app import create_app

POLL_SECONDS = 1.0
BATCH = 100
BACKOFF_FIRST, BACKOFF_MOST = 0.05, 2.0

log = logging.getLogger("isthmus.relay")


class Relay:
    """One loop that sends, one thread that listens; `stop` ends both."""

    def __init__(self, database: Database, app: Celery, listen: str) -> None:
        self._database, self._app, self._listen = database, app, listen
        self._wake, self._over = threading.Event(), threading.Event()

    def stop(self) -> None:
        """End after the batch that is under way."""
        self._over.set()
        self._wake.set()

    def run(self) -> None:
        """Send until stopped. A broker or database that is away is tried again; nothing is lost meanwhile."""
        threading.Thread(target=self._listening, daemon=True).start()
        backoff = BACKOFF_FIRST
        while not self._over.is_set():
            try:
                wait = self._send_all()
                backoff = BACKOFF_FIRST
            except (BrokerError, OperationalError, psycopg.OperationalError, OSError) as e:
                log.warning("cannot relay: %s; trying again in %.2f s", e, backoff)
                wait, backoff = backoff, min(backoff * 2, BACKOFF_MOST)
            self._wake.wait(wait)
            self._wake.clear()

    def _send_all(self) -> float:
        """Send everything that is due; seconds until something else will be, at most the poll's."""
        while self._send_batch() == BATCH:
            pass
        beats.beat(self._database, "relay")
        with self._database.system() as session:
            soonest = next_due(session)
        return POLL_SECONDS if soonest is None else min(POLL_SECONDS, max(0.0, soonest))

    def _send_batch(self) -> int:
        """Publish while the rows are locked; if the broker fails, the marks are rolled back and all is due again."""
        with self._database.system() as session:
            batch = due(session, BATCH)
            for promise in batch:
                self._app.send_task(
                    promise.task, (str(promise.org), promise.id), task_id=f"promise-{promise.id}", retry=False
                )
        return len(batch)

    def _listening(self) -> None:
        while not self._over.is_set():
            try:
                with psycopg.connect(self._listen, autocommit=True) as connection:
                    connection.execute("LISTEN promises")
                    self._wake.set()
                    while not self._over.is_set():
                        for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                            self._wake.set()
            except psycopg.OperationalError:
                time.sleep(BACKOFF_FIRST)


def run(settings: Settings) -> None:
    """The process: until SIGTERM or SIGINT."""
    relay = Relay(Database(settings.database_url), create_app(settings), settings.libpq_url)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        relay.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    relay.run()
