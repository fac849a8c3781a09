"""How proxies are counted."""

import pytest

from gateway.agent.acks import LOST_AFTER, Proof, Sighting, Target, ViewVersion, count, heard, next_change, unheard
from gateway.proto import link_pb2 as link
from gateway.proto.host_pb2 import ProxyNack, ProxyReport
from isthmus.xds.snapshot import Ref

NOW = 1000.0
VIEW, OLD, OTHER = (
    ViewVersion("m", "node/a@1.40", "v2"),
    ViewVersion("m", "node/a@1.40", "v1"),
    ViewVersion("n", "x", "1"),
)
AT = link.Position(version="manifest", generation=7)
LEDGER = {"d2": Proof(frozenset({VIEW})), "d2'": Proof(frozenset({VIEW})), "d1": Proof(frozenset({OLD}))}
TARGET = Target("d2", LEDGER["d2"], frozenset({Ref("lds", "inbound/80", "l2")}))


def seen(acked: str = "", *, nacks: tuple[ProxyNack, ...] = (), at: float = NOW) -> Sighting:
    """A connected proxy that has acked a definition."""
    return Sighting(1, connected=True, envoy="1.40.0", acked=acked, acked_at=at, nacks=nacks, since=NOW - 60)


def away(seconds: float, *owed: ViewVersion) -> Sighting:
    """A proxy that went so long ago, owing this."""
    return Sighting(1, since=NOW - seconds, owed=frozenset(owed))


def nack(version: str = "l2") -> ProxyNack:
    return ProxyNack(type="lds", name="inbound/80", version=version, message="no such filter")


def counted(sightings: dict[str, Sighting]) -> link.ViewAcks:
    counts = count({VIEW: AT}, dict.fromkeys(["p1", "p2"], TARGET), sightings, LEDGER, NOW)
    return counts["m", "node/a@1.40"]


@pytest.mark.parametrize(
    ("sightings", "connected", "acked", "lost", "stragglers"),
    [
        ({}, 0, 0, 0, []),
        ({"p1": seen("d2"), "p2": seen("d2")}, 2, 2, 0, []),
        ({"p1": seen("d2"), "p2": seen("d1")}, 2, 1, 0, ["p2"]),
        ({"p1": seen("d2'")}, 1, 1, 0, []),
        ({"p1": seen()}, 1, 0, 0, ["p1"]),
        ({"p1": seen("unheard of")}, 1, 0, 0, ["p1"]),
        ({"p1": away(60)}, 0, 0, 0, []),
        ({"p1": away(1, VIEW)}, 1, 0, 0, ["p1"]),
        ({"p1": away(LOST_AFTER, VIEW)}, 0, 0, 1, []),
        ({"p1": away(60, OLD)}, 0, 0, 0, []),
        ({"stranger": seen("d2")}, 0, 0, 0, []),
    ],
    ids=[
        "nobody connected",
        "all acked",
        "one behind",
        "another definition of the same view",
        "nothing acked yet",
        "a definition older than our memory",
        "gone with nothing owed",
        "just gone: still a straggler",
        "gone for long: lost",
        "gone owing an older version",
        "not ours",
    ],
)
def test_proxies_are_counted(
    sightings: dict[str, Sighting], connected: int, acked: int, lost: int, stragglers: list[str]
) -> None:
    said = counted(sightings)
    assert (said.connected, said.acked, said.lost, list(said.stragglers)) == (connected, acked, lost, stragglers)
    assert (said.manifest, said.generation, said.version) == ("manifest", 7, "v2")


def test_the_last_ack_is_the_newest_that_counts() -> None:
    assert counted({"p1": seen("d2", at=10), "p2": seen("d2", at=20)}).last_ack == 20
    assert counted({"p1": seen("d2", at=10), "p2": seen("d1", at=20)}).last_ack == 10


def test_a_refusal_is_counted_while_it_is_of_what_the_proxy_is_to_have() -> None:
    (said,) = counted({"p1": seen("d1", nacks=(nack(),))}).nacks
    assert (said.proxy, said.type, said.name, said.version, said.message) == (
        "p1",
        "lds",
        "inbound/80",
        "l2",
        "no such filter",
    )
    assert not counted({"p1": seen("d1", nacks=(nack("l1"),))}).nacks


@pytest.mark.parametrize(
    ("name", "message", "counted_"),
    [
        ("outbound/vip/db/80", "cannot bind '127.150.0.1:80': Permission denied", 0),
        ("outbound/tcp/5432", "cannot bind '10.0.0.1:5432': Address already in use", 0),
        ("dns", "cannot bind '10.0.0.1:53': Permission denied", 0),
        ("dns", "malformed IP address: ::ffff:127.150.0.1", 0),
        ("outbound/vip6/db/80", "malformed IP address: fd00::7f96:1", 0),
        ("outbound/vip/db/80", "malformed IP address: 127.150.0.1.5", 1),
        ("inbound/80", "malformed IP address: fd00::1", 1),
        ("outbound/vip/db/80", "no such filter", 1),
        ("inbound/80", "cannot bind '10.0.0.1:80': Address already in use", 1),
    ],
    ids=[
        "a low port",
        "a port that is taken",
        "names",
        "names, without IPv6",
        "an address, without IPv6",
        "an address that is none",
        "what a node cannot do without, without IPv6",
        "what is wrong everywhere",
        "what a node cannot do without",
    ],
)
def test_what_a_host_does_not_let_its_proxy_bind_is_no_refusal(name: str, message: str, counted_: int) -> None:
    target = Target("d2", LEDGER["d2"], frozenset({Ref("lds", name, "l2")}))
    refusal = ProxyNack(type="lds", name=name, version="l2", message=message)
    counts = count({VIEW: AT}, {"p1": target}, {"p1": seen("d2", nacks=(refusal,))}, LEDGER, NOW)
    assert len(counts["m", "node/a@1.40"].nacks) == counted_


def test_a_refusal_at_a_gateway_of_many_meshes_is_that_meshs_if_it_names_one() -> None:
    first, second = ViewVersion("m", "east-west/aaaa@1.40", "1"), ViewVersion("n", "east-west/bbbb@1.40", "1")
    refs = frozenset({Ref("cds", "s.1.x.aaaa.v1.internal", "c"), Ref("lds", "east-west", "l")})
    target = Target("d", Proof(frozenset({first, second})), refs)
    for name, kind, version, meshes in (
        ("s.1.x.aaaa.v1.internal", "cds", "c", {"m"}),
        ("east-west", "lds", "l", {"m", "n"}),
    ):
        refusal = ProxyNack(type=kind, name=name, version=version, message="no")
        counts = count({first: AT, second: AT}, {"g": target}, {"g": seen(nacks=(refusal,))}, {}, NOW)
        assert {mesh for (mesh, _), said in counts.items() if said.nacks} == meshes, name


def test_what_a_proxy_owes_is_fixed_when_it_goes() -> None:
    gone = heard(seen("d1"), ProxyReport(proxy="p", acked="d1"), TARGET, LEDGER, 1, NOW)
    assert (gone.connected, gone.since, gone.owed) == (False, NOW, frozenset({VIEW}))
    again = heard(gone, ProxyReport(proxy="p", acked="d1"), TARGET, LEDGER, 1, NOW + 3)
    assert (again.since, again.owed) == (NOW, frozenset({VIEW})), "a second report of its absence changes nothing"
    back = heard(again, ProxyReport(proxy="p", connected=True), TARGET, LEDGER, 1, NOW + 4)
    assert (back.connected, back.since, back.owed) == (True, NOW + 4, frozenset())
    assert not heard(seen("d2"), ProxyReport(proxy="p", acked="d2"), TARGET, LEDGER, 1, NOW).owed


def test_a_warden_out_of_sight_takes_its_proxies_with_it() -> None:
    gone = unheard(seen("d1"), TARGET, LEDGER, NOW)
    assert (gone.watched, gone.connected, gone.owed) == (False, False, frozenset({VIEW}))
    assert unheard(away(3), TARGET, LEDGER, NOW).since == NOW - 3


def test_time_alone_changes_counts_when_somebody_becomes_lost() -> None:
    assert next_change([seen()], NOW) is None
    assert next_change([away(60), away(1), away(2)], NOW) == LOST_AFTER - 2
    assert OTHER not in LEDGER["d2"].views
