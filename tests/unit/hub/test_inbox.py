"""Which reports of an agent become writes, and when."""

import pytest

from gateway.hub.holdings import Holdings
from gateway.hub.inbox import LIMIT, Inbox, Pace
from gateway.proto import link_pb2 as link
from isthmus.errors import Exhausted


def acks(acked: int, view: str = "v", last: float = 0.0) -> link.FromAgent:
    return link.FromAgent(acks=link.Acks(views=[link.ViewAcks(mesh="m", view=view, acked=acked, last_ack=last)]))


def beat(proxies: int = 1) -> link.FromAgent:
    return link.FromAgent(heartbeat=link.Heartbeat(proxies=proxies))


def test_the_newer_report_of_a_thing_stands_for_both() -> None:
    inbox = Inbox()
    for message in (acks(1), beat(1), acks(2), acks(7, "w"), beat(2)):
        inbox.put(message)
    said = inbox.take()
    assert {m.WhichOneof("body") for m in said} == {"heartbeat", "acks"}
    views = next(m.acks.views for m in said if m.WhichOneof("body") == "acks")
    assert {(v.view, v.acked) for v in views} == {("v", 2), ("w", 7)}
    assert not inbox


@pytest.mark.parametrize(
    ("message", "urgent"),
    [
        (acks(1), False),
        (acks(1, last=9.0), False),
        (acks(2), True),
        (acks(1, "w"), True),
        (beat(), False),
        (link.FromAgent(summary=link.Summary(mesh="m")), True),
        (link.FromAgent(refusal=link.Refusal(reason="no")), True),
    ],
    ids=["the same", "only later", "another count", "another view", "a heartbeat", "a summary", "a refusal"],
)
def test_what_goes_at_once_after_an_ack_was_written(message: link.FromAgent, urgent: bool) -> None:  # noqa: FBT001
    inbox = Inbox()
    inbox.put(acks(1))
    inbox.take()
    assert not inbox.urgent
    inbox.put(message)
    assert inbox.urgent is urgent


def test_what_could_not_be_written_waits_under_anything_newer() -> None:
    inbox = Inbox()
    inbox.put(acks(1))
    inbox.put(beat(1))
    failed = inbox.take()
    inbox.put(acks(2))
    inbox.put_back(failed)
    assert {m.WhichOneof("body"): m for m in inbox.take()} == {"heartbeat": beat(1), "acks": acks(2)}


def test_an_agent_cannot_fill_our_memory() -> None:
    inbox = Inbox()
    for number in range(LIMIT):
        inbox.put(acks(1, f"v{number}"))
    inbox.put(acks(2, "v0"))
    with pytest.raises(Exhausted):
        inbox.put(acks(1, "one more"))


def test_pace_lets_a_burst_go_and_then_a_few_a_second() -> None:
    pace, gone, now = Pace(0.0), 0, 0.0
    while now < 10:
        if delay := pace.wait(now, urgent=True):
            now += delay
            continue
        pace.spend()
        gone += 1
    assert 47 <= gone <= 49


def test_what_is_not_urgent_leaves_room_for_what_is() -> None:
    pace = Pace(0.0)
    while not pace.wait(0.0, urgent=False):
        pace.spend()
    assert pace.wait(0.0, urgent=False) > 0
    assert pace.wait(0.0, urgent=True) == 0


def position(sequence: int, version: str) -> link.Position:
    return link.Position(lane=link.DEFINITION, mesh="m", sequence=sequence, version=version)


@pytest.mark.parametrize(
    ("offered", "news"),
    [
        (position(5, "a"), False),
        (position(6, "a"), True),
        (position(6, "b"), True),
        (position(5, "b"), True),
        (position(4, "b"), False),
        (link.Position(lane=link.TRUST, sequence=1, version="t"), True),
        (link.Position(lane=link.TRUST), False),
        (link.Position(lane=link.TOPOLOGY, mesh="m", sequence=9, version="t"), False),
        (link.Position(lane=link.TOPOLOGY, mesh="m", sequence=9, version="u"), True),
        (link.Position(lane=link.TOPOLOGY, mesh="m", sequence=1, version="u"), False),
    ],
    ids=[
        "held",
        "a later phase of it",
        "newer",
        "other content",
        "older",
        "another lane",
        "nothing yet",
        "read again",
        "changed",
        "changed long ago",
    ],
)
def test_only_news_is_sent(offered: link.Position, news: bool) -> None:  # noqa: FBT001
    topology = link.Position(lane=link.TOPOLOGY, mesh="m", sequence=2, version="t")
    assert Holdings(link.Hello(held=[position(5, "a"), topology])).lacks(offered) is news
