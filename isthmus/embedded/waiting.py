"""waiting: while the supervisor works in the main thread, another waits for what it brings about, and not for ever.

Apart from `rise`, so that PostgreSQL's first start and the import of all that talks to it happen at the same time.
"""

import threading
import time
from collections.abc import Callable

from isthmus.embedded.supervisor import Supervisor

PATIENCE_SECONDS = 90.0
_ROUND_SECONDS = 0.02
_DEATHS = 4
"""A process that has died so often in a row while we wait will not come up by itself."""


class NotReady(RuntimeError):
    """The control plane did not come up; says what died and where its log is."""


class Stopped(Exception):
    """Somebody asked us to stop while we were waiting."""


def wait(supervisor: Supervisor, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Return when the condition holds; NotReady or Stopped otherwise."""
    give_up = patience(supervisor, seconds)
    while not condition():
        give_up()
        time.sleep(_ROUND_SECONDS)


def patience(supervisor: Supervisor, seconds: float = PATIENCE_SECONDS) -> Callable[[], None]:
    """Called while waiting: raises Stopped when we are to end, NotReady when waiting has become pointless."""
    deadline = time.monotonic() + seconds

    def give_up() -> None:
        if supervisor.finished:
            raise Stopped
        hopeless = supervisor.trouble(_DEATHS)
        if hopeless or time.monotonic() > deadline:
            trouble = hopeless or supervisor.trouble()
            causes = "; ".join(f"{name}: {how}" for name, how in trouble.items())
            raise NotReady(f"not ready within {seconds:.0f} s" if not causes else f"does not come up: {causes}")

    return give_up


def supervised(supervisor: Supervisor, work: Callable[[], None]) -> None:
    """Supervise in this, the main thread, until somebody finishes it, while `work` runs in another.

    What `work` raises ends everything and is raised here; Stopped only says that it noticed the end.
    """
    raised: list[BaseException] = []

    def carry_out() -> None:
        try:
            work()
        except Stopped:
            pass
        except BaseException as e:  # noqa: BLE001 - raised again below, in the main thread
            raised.append(e)
            supervisor.finish()

    thread = threading.Thread(target=carry_out, daemon=True)
    thread.start()
    supervisor.run()
    thread.join(timeout=10)
    if raised:
        raise raised[0]
