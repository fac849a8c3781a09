"""answers: what a source said, what is known after it, and when it is asked again. Pure; times are of one clock.

* An answer is whole: an address that has left it is gone at once.
* Silence (a timeout, SERVFAIL, no permission) says nothing: the last answer stays for as long as it lasts, marked
  stale, also over restarts, and is asked for again soon (design §7: "I lost sight" is never "there is nothing").
* "There are none" (NXDOMAIN, no records, no such service) is said, but as often in error as in earnest: zones are
  replaced record by record. The last addresses are held for as long as an instance that vanished without a delete.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.edge import backoff
from isthmus.ir.found import Discovery, Dns
from isthmus.xds.resolved import Address

SOONEST, LATEST = 1.0, 300.0
"""Seconds between two questions. A TTL of 0 must not become a loop; and one of a day must not keep callers away from
where a name has moved for longer than Route 53's console does, whose own default is five minutes."""

EMPTY_AGAIN = 30.0
"""The longest wait after "there are none", whatever the zone allows (RFC 2308 §5): somebody waits for the service."""

HELD_SECONDS = 120.0
SPREAD = 0.1
"""Of a wait: names that were asked together are not always asked together."""


class Answer(NamedTuple):
    """What a source said: all addresses, in its order of preference, good for `ttl` seconds. `why` there are none."""

    addresses: tuple[Address, ...]
    ttl: float
    why: str = ""


class Sight(NamedTuple):
    """What an Envoy, and the tenant, is told. `stale`: no newer answer came, or it was none; `error` says why."""

    addresses: tuple[Address, ...] = ()
    stale: bool = False
    error: str = ""


NOTHING_SEEN = Sight()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one question. `due`: when to ask; `failures`: in a row; `none_since`: since it says so."""

    sight: Sight = NOTHING_SEEN
    due: float = 0.0
    failures: int = 0
    none_since: float | None = None


def answered(known: Known, question: Discovery, answer: Answer, now: float, spread: float) -> Known:
    """After an answer; `spread` in [0, 1)."""
    wait = min(max(answer.ttl, SOONEST), LATEST) * (1 + SPREAD * spread)
    if answer.addresses:
        return Known(Sight(_chosen(question, answer.addresses, known.sight.addresses)), now + wait)
    since = now if known.none_since is None else known.none_since
    ends = since + HELD_SECONDS
    held = known.sight.addresses if now < ends else ()
    due = now + min(wait, EMPTY_AGAIN)
    return Known(Sight(held, bool(held), answer.why), min(due, ends) if held else due, none_since=since)


def unanswered(known: Known, why: str, now: float, spread: float) -> Known:
    """After silence."""
    failures = known.failures + 1
    sight = Sight(known.sight.addresses, bool(known.sight.addresses), why)
    return replace(known, sight=sight, due=now + backoff.seconds(failures, spread), failures=failures)


def _chosen(question: Discovery, said: Sequence[Address], kept: Sequence[Address]) -> tuple[Address, ...]:
    """Of a load balancer one address, the same for as long as it is one of them; else each, in one order."""
    if isinstance(question, Dns) and question.single:
        return (next((address for address in kept if address in said), said[0]),)
    return tuple(sorted(set(said)))
