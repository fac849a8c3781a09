"""What the agent makes of a DNS server's answers: addresses, how long they are good, or why there are none."""

from collections.abc import Iterator

import pytest

from gateway.agent.discovery.answers import LATEST, Answer
from gateway.agent.discovery.dns import DnsSource
from isthmus.errors import Invalid, Unavailable
from isthmus.ir.found import Dns
from isthmus.xds.resolved import Address
from tests.nameserver import FAILS, SILENT, NameServer, Says, serving, unanswered

MANY = tuple(f"10.1.{i // 250}.{i % 250}" for i in range(100))
BOTH = Says(("10.0.0.1", "10.0.0.2"), ("2001:db8::1",), ttl=60)
NAMES = {
    "both.example": BOTH,
    "four.example": Says(("10.0.0.1",), ttl=60),
    "six.example": Says(aaaa=("2001:db8::1",), ttl=60),
    "many.example": Says(MANY, ttl=60),
    "alias.example": Says(alias="next.example", ttl=30),
    "next.example": Says(alias="four.example", ttl=45),
    "bare.example": Says(alias="bare2.example", ttl=20, own=False),
    "bare2.example": Says(alias="four.example", ttl=90, own=False),
    "loop.example": Says(alias="pool.example", own=False),
    "pool.example": Says(alias="loop.example", own=False),
    "dangling.example": Says(alias="nobody.example", own=False),
    "empty.example": Says(negative=7),
    "fails.example": FAILS,
    "refused.example": Says(rcode="REFUSED"),
    "silent.example": SILENT,
    "no-aaaa.example": Says(("10.0.0.1",), ttl=60, silent=frozenset({"AAAA"})),
    "10.9.9.9": Says(("10.0.0.9",)),
}


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with serving(NAMES) as made:
        yield made


def addresses(*ips: str) -> tuple[Address, ...]:
    return tuple(map(Address, ips))


FOUR, SIX = addresses("10.0.0.1"), addresses("2001:db8::1")


@pytest.mark.parametrize(
    ("name", "families", "expected"),
    [
        ("both.example", (6, 4), Answer(SIX, 60)),
        ("both.example", (4, 6), Answer(addresses("10.0.0.1", "10.0.0.2"), 60)),
        ("both.example", (6,), Answer(SIX, 60)),
        ("four.example", (6, 4), Answer(FOUR, 60)),
        ("four.example", (6,), Answer((), 1, "four.example has no address")),
        ("six.example", (4, 6), Answer(SIX, 60)),
        ("alias.example", (4,), Answer(FOUR, 30)),
        ("bare.example", (4,), Answer(FOUR, 20)),
        ("many.example", (4,), Answer(addresses(*MANY), 60)),
        ("empty.example", (6, 4), Answer((), 7, "empty.example has no address")),
        ("nobody.example", (6, 4), Answer((), 1, "nobody.example does not exist")),
        ("dangling.example", (4,), Answer((), 1, "dangling.example does not exist")),
        ("no-aaaa.example", (6, 4), Answer(FOUR, 60)),
        ("10.9.9.9", (4,), Answer(addresses("10.9.9.9"), LATEST)),
    ],
    ids=[
        "IPv6 preferred",
        "IPv4 preferred",
        "IPv6 only",
        "IPv6 preferred, only IPv4 there",
        "IPv6 only, only IPv4 there",
        "IPv4 preferred, only IPv6 there",
        "aliases: the shortest of their times",
        "aliases that a server gives one by one",
        "more than UDP can hold",
        "no records",
        "no such name",
        "an alias of nothing",
        "a server that never answers for IPv6",
        "an address is its own answer",
    ],
)
async def test_an_answer(names: NameServer, name: str, families: tuple[int, ...], expected: Answer) -> None:
    assert await DnsSource(names.address, lifetime=0.5).ask(Dns(name, single=False, families=families), ()) == expected


async def test_what_does_not_fit_into_udp_comes_by_tcp(names: NameServer) -> None:
    before = names.by_tcp
    await DnsSource(names.address).ask(Dns("many.example", single=False, families=(4,)), ())
    assert names.by_tcp == before + 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fails.example", "SERVFAIL"),
        ("refused.example", "REFUSED"),
        ("silent.example", "within 0.5 s"),
        ("loop.example", "aliases|CNAME|does not contain an answer"),
    ],
)
async def test_what_is_no_answer(names: NameServer, name: str, why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        await DnsSource(names.address, lifetime=0.5).ask(Dns(name, single=False, families=(6, 4)), ())


async def test_a_server_that_is_not_there_is_no_answer() -> None:
    hole, address = unanswered()
    with hole, pytest.raises(Unavailable, match=r"within 0.2 s"):
        await DnsSource(address, lifetime=0.2).ask(Dns("four.example", single=False, families=(4,)), ())


@pytest.mark.parametrize("server", ["dns.example:53", "127.0.0.1", "127.0.0.1:dns", ":53"])
def test_a_server_is_an_ip_address_with_a_port(server: str) -> None:
    with pytest.raises(Invalid):
        DnsSource(server)
