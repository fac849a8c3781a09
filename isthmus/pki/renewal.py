"""renewal: when a managed certificate is renewed, when its owner is warned, and how long a failure waits.

What we issue or fetch is renewed at two thirds of its life, so a third is left to mend what goes wrong. What a tenant
brought along we cannot renew: they are warned 60, 30 and 7 days ahead (contracts.md). Both follow from the dates and
the clock alone, so nothing has to be remembered to say them.
"""

from datetime import datetime, timedelta

WARNINGS = (timedelta(days=7), timedelta(days=30), timedelta(days=60))
_FIRST, _MOST = timedelta(seconds=10), timedelta(hours=6)


def renew_at(not_before: datetime, not_after: datetime) -> datetime:
    """Two thirds of the life."""
    return not_before + (not_after - not_before) * 2 / 3


def warning(not_after: datetime, now: datetime) -> int | None:
    """The smallest of 7, 30 and 60 days within which a certificate ends; None if it has longer, or has ended."""
    left = not_after - now
    if left < timedelta(0):
        return None
    return next((span.days for span in WARNINGS if left <= span), None)


def overdue(not_before: datetime, not_after: datetime, now: datetime) -> bool:
    """Whether what we renew ourselves should have been renewed, which is our failure or its authority's."""
    return now >= renew_at(not_before, not_after)


def retry_after(failures: int) -> timedelta:
    """How long the next try waits after so many failures in a row: 10 s, doubled, at most 6 h."""
    doubled: int = 2 ** min(max(failures, 1) - 1, 16)
    return min(_FIRST * doubled, _MOST)
