"""Addresses of services: each its own, found from its name, out of ranges that may be used."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import Invalid
from isthmus.model.definition import parse_definition
from isthmus.model.vips import DEFAULT, VipsExhausted, assigned, beside

SMALL = IPv4Network("240.0.0.0/29")


@given(st.sets(st.text(min_size=1), max_size=50), st.sets(st.integers(1, 2**22 - 2), max_size=50))
def test_nobody_gets_what_another_has(names: set[str], numbers: set[int]) -> None:
    taken = {DEFAULT[number] for number in numbers}
    given_ = assigned(names, DEFAULT, taken)
    assert given_.keys() == names
    assert len({*given_.values(), *taken}) == len(names) + len(taken)
    assert all(address in DEFAULT for address in given_.values())
    assert given_ == assigned(sorted(names, reverse=True), DEFAULT, taken), "whatever the order"


def test_a_name_has_the_same_address_everywhere_unless_another_has_it() -> None:
    (address,) = assigned(["reviews"], DEFAULT).values()
    assert assigned(["reviews", "ratings"], DEFAULT)["reviews"] == address
    assert assigned(["reviews"], DEFAULT, {address}) == {"reviews": address + 1}


def test_a_range_gives_all_but_its_ends_and_then_says_that_it_has_no_more() -> None:
    names = [f"s{i}" for i in range(6)]
    assert set(assigned(names, SMALL).values()) == {IPv4Address(f"240.0.0.{n}") for n in range(1, 7)}
    with pytest.raises(VipsExhausted, match=r"240\.0\.0\.0/29"):
        assigned([*names, "one more"], SMALL)
    elsewhere = {DEFAULT[n] for n in range(1, 100)}
    assert len(assigned(names, SMALL, elsewhere)) == 6, "what is taken of another range takes nothing of this"


def test_the_ipv6_address_is_the_meshs_own_and_ends_in_the_other() -> None:
    one, other = (beside(UUID(int=n), "127.128.0.5") for n in (1, 2))
    assert one != other
    for address in (IPv6Address(one), IPv6Address(other)):
        assert address.packed[0] == 0xFD
        assert address.packed[-4:] == IPv4Address("127.128.0.5").packed


@pytest.mark.parametrize("said", ["127.128.0.0/9", "240.0.0.0/8", "10.5.0.0/16", "100.64.0.0/10", "198.18.0.0/30"])
def test_ranges_that_may_be_used(said: str) -> None:
    assert parse_definition({"kind": "Mesh", "name": "m", "spec": {}, "settings": {"vips": said}}).settings.vips == said


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("nonsense", "not_a_network"),
        ("fd00::/64", "not_a_network"),
        ("240.0.0.1/8", "not_a_network"),
        ("0.0.0.0/0", "not_a_network"),
        ("10.0.0.0/31", "not_a_network"),
        ("127.0.0.0/8", "reserved_network"),
        ("127.0.0.0/16", "reserved_network"),
        ("169.254.0.0/16", "reserved_network"),
        ("224.0.0.0/8", "reserved_network"),
        ("255.0.0.0/8", "reserved_network"),
    ],
)
def test_ranges_that_have_another_use_are_refused(said: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_definition({"kind": "Mesh", "name": "m", "spec": {}, "settings": {"vips": said}})
    assert [(v.pointer, v.code) for v in refused.value.violations] == [("/settings/vips", code)]
