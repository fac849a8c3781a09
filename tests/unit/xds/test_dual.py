"""dual: where an instance with addresses of both families listens, and where it is called."""

from collections.abc import Sequence

import pytest
from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_pb2

from isthmus.ir.families import UNSAID, Families
from isthmus.xds.decoded import decoded
from isthmus.xds.dual import called, listened
from isthmus.xds.egress import cluster
from isthmus.xds.endpoints import LocalInstance, reached
from isthmus.xds.localise import bound
from isthmus.xds.snapshot import Resource, Type

V4, V6 = "10.0.0.1", "fd00::1"
BOTH, OTHER = (V4, V6), (V6, V4)


@pytest.mark.parametrize(
    ("families", "addresses", "listening", "calling"),
    [
        (UNSAID, BOTH, (V4,), [V4]),
        (UNSAID, OTHER, (V6,), [V6]),
        ((6, 4), BOTH, BOTH, [V6, V4]),
        ((4, 6), BOTH, BOTH, [V4, V6]),
        ((4, 6), OTHER, OTHER, [V4, V6]),
        ((6,), BOTH, BOTH, [V6]),
        ((4,), BOTH, BOTH, [V4]),
        ((6,), (V4,), (V4,), [V4]),
        ((4,), (V6,), (V6,), [V6]),
        ((6, 4), (V4,), (V4,), [V4]),
    ],
    ids=[
        "nothing is said: as the instance says", "the same, IPv6 first", "IPv6 preferred", "IPv4 preferred",
        "the same, whatever the instance says first", "IPv6 only", "IPv4 only", "only a family that it lacks",
        "the same the other way round", "it has one",
    ],
)  # fmt: skip
def test_where_an_instance_listens_and_is_called(
    families: Families, addresses: Sequence[str], listening: Sequence[str], calling: Sequence[str]
) -> None:
    assert tuple(listened(addresses, families)) == listening
    assert list(called(addresses, families)) == calling


def test_an_endpoint_has_the_preferred_address_and_the_other_beside_it() -> None:
    out = reached(LocalInstance("a", "a", V4, also=V6, families=(6, 4)), 80, "sni")
    assert (_at(out.address), [_at(each.address) for each in out.additional_addresses]) == (V6, [V4])
    assert (out.hostname, out.additional_addresses[0].address.socket_address.port_value) == ("sni", 80)
    assert reached(LocalInstance("a", "a", V4, also=V6), 80) == reached(LocalInstance("a", "a", V4), 80)


def _at(address: address_pb2.Address) -> str:
    return str(address.socket_address.address)


def test_a_listener_everywhere_takes_both_families() -> None:
    """Envoy makes a socket at `::` IPv6's alone unless it is told not to."""
    given = Resource(Type.LISTENER, "l", listener_pb2.Listener(name="l").SerializeToString())
    everywhere = listener_pb2.Listener.FromString(bound(given, "::", 443).body).address.socket_address
    one = listener_pb2.Listener.FromString(bound(given, V6, 443, [V4]).body)
    assert (everywhere.address, everywhere.ipv4_compat) == ("::", True)
    assert not one.address.socket_address.ipv4_compat
    assert [each.address.socket_address.address for each in one.additional_addresses] == [V4]


@pytest.mark.parametrize(
    ("families", "word"),
    [(UNSAID, "ALL"), ((6, 4), "ALL"), ((4, 6), "V4_PREFERRED"), ((4,), "V4_ONLY"), ((6,), "V6_ONLY")],
)
def test_other_hosts_are_looked_up_in_the_families_that_are_wanted(families: Families, word: str) -> None:
    assert f"'dns_lookup_family': '{word}'" in str(decoded(cluster(families)))
