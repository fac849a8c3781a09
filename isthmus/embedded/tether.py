"""tether: a child that ends when its parent does, however the parent ends.

PR_SET_PDEATHSIG is the one thing that also works for kill -9. Linux sends the signal when the *thread* that made the
child ends, so children are made from the main thread; the check in `tether` finds a mistake before it costs hours.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before the fork, after which little is safe


def tether(number: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn` by which the child gets `number` when we end. Only from the main thread."""
    assert threading.current_thread() is threading.main_thread(), "a tethered child would die with this thread"
    parent = os.getpid()

    def hold() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), number)

    return hold
