"""until: waiting for a condition with a deadline, the only waiting that tests do."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 10.0, every: float = 0.02) -> T:
    """The condition's first true value. AssertionError naming it if there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {getattr(condition, '__qualname__', condition)}"
        time.sleep(every)
    return value
