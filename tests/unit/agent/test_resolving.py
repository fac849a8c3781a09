"""What follows from what a source said, or did not say: what is known, and when it is asked again."""

from ipaddress import ip_address
from typing import Any

import pytest

from gateway.agent.discovery.answers import (
    EMPTY_AGAIN,
    HELD_SECONDS,
    LATEST,
    SOONEST,
    SPREAD,
    Answer,
    Known,
    Sight,
    answered,
    unanswered,
)
from gateway.agent.discovery.dns import preferred
from gateway.edge import backoff
from isthmus.errors import Unavailable
from isthmus.ir.found import CloudMap, Discovery, Dns
from isthmus.xds.resolved import Address

BALANCER, EACH = (Dns("blue.example", single, (6, 4)) for single in (True, False))
THERE = CloudMap("shop", "blue", (), (4,))
NOW = 1000.0
A, B, SIX = Address("10.0.0.1"), Address("10.0.0.2"), Address("2001:db8::1")
NONE = Answer((), 5.0, "blue.example does not exist")


def known(*addresses: Address, **more: Any) -> Known:  # noqa: ANN401 - Known's fields
    return Known(Sight(addresses), **more)


@pytest.mark.parametrize(
    ("question", "said", "kept", "expected"),
    [
        (EACH, (B, A, B), (), (A, B)),
        (EACH, (B,), (A,), (B,)),
        (THERE, (B, A), (), (A, B)),
        (BALANCER, (B, A), (), (B,)),
        (BALANCER, (B, A), (A,), (A,)),
        (BALANCER, (B,), (A,), (B,)),
    ],
    ids=[
        "each address once, in one order",
        "what has left the answer is gone",
        "of Cloud Map each",
        "of a load balancer the first",
        "and that for as long as it is one of them",
        "then the next",
    ],
)
def test_which_addresses_count(
    question: Discovery, said: tuple[Address, ...], kept: tuple[Address, ...], expected: tuple[Address, ...]
) -> None:
    assert answered(known(*kept), question, Answer(said, 60), NOW, 0).sight == Sight(expected)


@pytest.mark.parametrize(
    ("ttl", "wait"),
    [(0, SOONEST), (1, 1), (60, 60), (86400, LATEST)],
    ids=["no TTL is no loop", "the shortest", "as it says", "a day is five minutes"],
)
def test_an_answer_is_asked_for_again_when_its_time_ends(ttl: float, wait: float) -> None:
    assert answered(Known(), EACH, Answer((A,), ttl), NOW, 0).due == NOW + wait
    assert answered(Known(), EACH, Answer((A,), ttl), NOW, 0.5).due == NOW + wait * (1 + SPREAD / 2)


def test_silence_keeps_the_last_answer_and_is_asked_again_soon_and_then_less_often() -> None:
    silent = unanswered(known(A, due=NOW), "no answer", NOW, 0)
    assert silent.sight == Sight((A,), stale=True, error="no answer")
    waits = []
    for _ in range(8):
        silent = unanswered(silent, "no answer", NOW, 0)
        waits.append(silent.due - NOW)
    assert waits == sorted(waits)
    assert waits[-1] == backoff.LONGEST / 2
    assert silent.sight.addresses == (A,), "for as long as it lasts"
    again = answered(silent, EACH, Answer((A,), 60), NOW, 0)
    assert (again.sight, again.failures) == (Sight((A,)), 0)


def test_silence_from_the_beginning_is_no_address_and_not_stale() -> None:
    assert unanswered(Known(), "no answer", NOW, 0).sight == Sight((), stale=False, error="no answer")


def test_there_are_none_holds_the_last_addresses_for_a_while_and_then_believes_it() -> None:
    first = answered(known(A), EACH, NONE, NOW, 0)
    assert (first.sight, first.due) == (Sight((A,), stale=True, error=NONE.why), NOW + 5)
    later = answered(first, EACH, NONE, NOW + HELD_SECONDS - 1, 0)
    assert (later.sight.addresses, later.due) == ((A,), NOW + HELD_SECONDS), "it is looked at when the time is over"
    silent = unanswered(later, "no answer", NOW + HELD_SECONDS, 0)
    assert silent.sight.addresses == (A,), "silence says nothing, not even that the time is over"
    over = answered(silent, EACH, NONE, NOW + HELD_SECONDS + 1, 0)
    assert over.sight == Sight((), stale=False, error=NONE.why)
    assert answered(over, EACH, Answer((B,), 60), NOW + 200, 0) == Known(Sight((B,)), NOW + 260)


def test_an_answer_between_two_that_there_are_none_begins_the_time_anew() -> None:
    back = answered(answered(known(A), EACH, NONE, NOW, 0), EACH, Answer((A,), 1), NOW + 100, 0)
    assert answered(back, EACH, NONE, NOW + HELD_SECONDS + 1, 0).sight.addresses == (A,)


def test_what_does_not_exist_is_asked_for_again_before_long_whatever_its_zone_says() -> None:
    assert answered(Known(), EACH, Answer((), 3600, "no"), NOW, 0).due == NOW + EMPTY_AGAIN


SILENT = Unavailable("no answer")
EMPTY = Answer((), 7, "blue.example has no address")
FOUR_SAID, SIX_SAID = Answer((A,), 60), Answer((SIX,), 60)


@pytest.mark.parametrize(
    ("said", "kept", "expected"),
    [
        ({6: SIX_SAID, 4: FOUR_SAID}, (), (SIX,)),
        ({4: FOUR_SAID, 6: SIX_SAID}, (), (A,)),
        ({6: EMPTY, 4: FOUR_SAID}, (), (A,)),
        ({6: EMPTY, 4: FOUR_SAID}, (SIX,), (A,)),
        ({6: SILENT, 4: FOUR_SAID}, (), (A,)),
        ({6: SILENT, 4: FOUR_SAID}, (A,), (A,)),
        ({6: SILENT, 4: FOUR_SAID}, (SIX,), None),
        ({6: SILENT, 4: EMPTY}, (), None),
        ({6: EMPTY, 4: SILENT}, (), None),
        ({6: EMPTY, 4: EMPTY}, (), ()),
        ({4: EMPTY}, (), ()),
        ({4: SILENT}, (), None),
    ],
    ids=[
        "IPv6 is preferred",
        "IPv4 is preferred",
        "only IPv4 there",
        "IPv6 has gone",
        "a server that never answers for IPv6",
        "as before",
        "a moment's silence is no reason to move",
        "one may still have some",
        "the other may still have some",
        "neither",
        "only IPv4 asked, none",
        "only IPv4 asked, silence",
    ],
)
def test_which_family_counts(
    said: dict[int, Answer | Unavailable], kept: tuple[Address, ...], expected: tuple[Address, ...] | None
) -> None:
    if expected is None:
        with pytest.raises(Unavailable):
            preferred(said, kept)
        return
    found = preferred(said, kept)
    assert found.addresses == expected
    assert all(ip_address(address.ip) for address in found.addresses)
