"""Endpoints: who answers, in which order, over what; from what is here and what other clusters export."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from envoy.config.core.v3 import health_check_pb2
from envoy.config.endpoint.v3 import endpoint_pb2

from isthmus.values import mesh_label, service_id, slot_id
from isthmus.wire import Sni
from isthmus.xds.directory import Backend, Directory, Facts
from isthmus.xds.endpoints import (
    MATCH,
    Health,
    Here,
    LocalInstance,
    RemoteCluster,
    RemoteNode,
    RemoteSlot,
    Topology,
    app_endpoints,
    endpoints,
    in_plaintext,
)
from isthmus.xds.snapshot import Resource

MESH, EAST = UUID(int=7), UUID(int=1)
HERE = Here("east", EAST, "us-east-1", "east")
FACTS = Facts(MESH, "shop", mesh_label(MESH), "isthmus.internal", permissive=True)
BLUE = Backend("blue", 8080, service_id(MESH, "blue"), "http", permissive=True)
LOCAL = LocalInstance("blue-1", "blue", "10.0.0.1", {8080: 15006}, "a")


def directory(*, permissive: bool = True) -> Directory:
    """One backend, two peers."""
    peers = {"west": ("eu-west-1", "west"), "north": ("us-east-1", "north")}
    return Directory(FACTS, backends={"node/blue/8080": replace(BLUE, permissive=permissive)}, peers=peers)


def remote(name: str, region: str, *slots: RemoteSlot, count: int | None = None, **more: Any) -> RemoteCluster:  # noqa: ANN401
    """Another cluster with slots of `blue`."""
    node = RemoteNode(slots, len(slots) if count is None else count)
    gateways = ("192.0.2.1:15443",)
    return RemoteCluster(name, region, more.pop("network", name), gateways=gateways, nodes={"blue": node}, **more)


def slot(name: str = "s1", **more: Any) -> RemoteSlot:  # noqa: ANN401
    return RemoteSlot(name, ports=more.pop("ports", (8080,)), **more)


def sni(slot: str) -> str:
    return Sni(slot, 8080, BLUE.service, FACTS.label).text()


def assignment(resource: Resource) -> endpoint_pb2.ClusterLoadAssignment:
    return endpoint_pb2.ClusterLoadAssignment.FromString(resource.body)


def of_blue(
    local: Sequence[LocalInstance] = (), others: Sequence[RemoteCluster] = (), *, permissive: bool = True
) -> list[tuple[int, str, str, str]]:
    """(priority, where, SNI, transport) of each endpoint; one that says no transport is called in mutual TLS."""
    made = endpoints(directory(permissive=permissive), Topology(local, others), HERE)
    return [
        (
            locality.priority,
            _where(e.endpoint.address),
            e.endpoint.hostname,
            e.metadata.filter_metadata[MATCH]["transport"] if e.HasField("metadata") else "mtls",
        )
        for locality in assignment(made["node/blue/8080"]).endpoints
        for e in locality.lb_endpoints
    ]


def _where(address: Any) -> str:  # noqa: ANN401 - a message
    inside = address.envoy_internal_address
    if inside.server_listener_name:
        return f"{inside.server_listener_name} {inside.endpoint_id.partition('.')[0]}"
    return f"{address.socket_address.address}:{address.socket_address.port_value}"


MINE = slot_id(EAST, MESH, "blue", "blue-1")
WEST, NORTH = remote("west", "eu-west-1", slot()), remote("north", "us-east-1", slot())


@pytest.mark.parametrize(
    ("local", "others", "expected"),
    [
        ([], [], []),
        ([LOCAL], [], [(0, "10.0.0.1:15006", sni(MINE), "mtls")]),
        ([replace(LOCAL, ports={})], [], [(0, "10.0.0.1:8080", "", "plaintext")]),
        ([replace(LOCAL, ports={9090: 15007})], [], [(0, "10.0.0.1:8080", "", "plaintext")]),
        ([replace(LOCAL, node="green")], [], []),
        ([], [WEST], [(0, "to/west s1", sni("s1"), "mtls")]),
        (
            [LOCAL],
            [WEST, NORTH],
            [
                (0, "10.0.0.1:15006", sni(MINE), "mtls"),
                (1, "to/north s1", sni("s1"), "mtls"),
                (2, "to/west s1", sni("s1"), "mtls"),
            ],
        ),
        ([LOCAL], [WEST], [(0, "10.0.0.1:15006", sni(MINE), "mtls"), (1, "to/west s1", sni("s1"), "mtls")]),
        ([], [replace(WEST, state="dead")], []),
        ([], [replace(WEST, state="unknown")], [(0, "to/west s1", sni("s1"), "mtls")]),
        ([], [remote("west", "eu-west-1", slot(ports=(9090,)))], []),
        ([], [remote("west", "eu-west-1", slot(), count=60)], [(0, "to/west any", sni("any"), "mtls")]),
        (
            [],
            [remote("west", "eu-west-1", slot(address="10.9.0.1", inbound={8080: 15006}), network="east")],
            [(0, "10.9.0.1:15006", sni("s1"), "mtls")],
        ),
        ([], [remote("west", "eu-west-1", slot(), network="east")], [(0, "to/west s1", sni("s1"), "mtls")]),
        (
            [],
            [remote("west", "eu-west-1", slot(address="10.9.0.1", inbound={8080: 15006}))],
            [(0, "to/west s1", sni("s1"), "mtls")],
        ),
    ],
    ids=[
        "nobody",
        "an instance here: its proxy, directly",
        "one without a proxy: plaintext",
        "one whose proxy has another port only: plaintext",
        "another node's instance does not count",
        "only elsewhere: priorities still begin at 0",
        "here, then the region, then the rest",
        "no gap between priorities",
        "a dead cluster is withdrawn",
        "one of which nothing is heard keeps serving",
        "a slot without the port is not asked",
        "above the cap: one address for all",
        "one network: directly",
        "one network, but the port is not known: through the gateway",
        "an address of another network is not used",
    ],
)
def test_who_answers(
    local: list[LocalInstance], others: list[RemoteCluster], expected: list[tuple[int, str, str, str]]
) -> None:
    assert of_blue(local, others) == expected


def test_a_strict_node_has_no_plaintext() -> None:
    assert of_blue([replace(LOCAL, ports={})], permissive=False) == []


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (replace(BLUE, checked=True), [15006, 8080]),
        (BLUE, [15006]),
        (replace(BLUE, checked=True, permissive=False), [15006]),
    ],
    ids=["callers ask before they call", "callers call", "strict"],
)
def test_where_a_proxy_has_just_been_seen(backend: Backend, expected: list[int]) -> None:
    just_seen = replace(LOCAL, arriving=frozenset({8080}))
    made = endpoints(Directory(FACTS, backends={"node/blue/8080": backend}), Topology([just_seen]), HERE)
    found = assignment(made["node/blue/8080"]).endpoints
    assert {e.endpoint.address.socket_address.port_value for c in found for e in c.lb_endpoints} == set(expected)
    assert list(in_plaintext(made["node/blue/8080"])) == [("10.0.0.1", 8080)] * (8080 in expected)


def test_health_is_said_and_not_hidden() -> None:
    made = endpoints(directory(), Topology([replace(LOCAL, health="draining")], [WEST]), HERE)
    statuses = [e.health_status for c in assignment(made["node/blue/8080"]).endpoints for e in c.lb_endpoints]
    assert statuses == [health_check_pb2.DRAINING, health_check_pb2.HEALTHY]


@pytest.mark.parametrize("health", ["healthy", "draining", "unhealthy"])
def test_only_instances_here_that_are_said_to_be_well_are_asked_whether_they_are(health: Health) -> None:
    others = [remote("west", "eu-west-1", slot(address="10.9.0.1", inbound={8080: 15006}), network="east"), NORTH]
    capped = remote("south", "us-east-1", slot(), count=60)
    made = endpoints(directory(), Topology([replace(LOCAL, health=health)], [*others, capped]), HERE)
    by_level: dict[int, list[bool]] = {}
    for locality in assignment(made["node/blue/8080"]).endpoints:
        unasked = (e.endpoint.health_check_config.disable_active_health_check for e in locality.lb_endpoints)
        by_level.setdefault(locality.priority, []).extend(unasked)
    assert by_level == {0: [health != "healthy"], 1: [True, True], 2: [True]}


def test_the_order_in_which_instances_are_told_makes_no_difference() -> None:
    instances = [replace(LOCAL, name=f"blue-{i}", address=f"10.0.0.{i}", zone=z) for i, z in enumerate("abab")]
    forth, back = (endpoints(directory(), Topology(order, [WEST]), HERE) for order in (instances, instances[::-1]))
    assert forth == back


def test_gateways_of_a_peer_are_its_endpoints_and_names_are_left_out() -> None:
    west = replace(WEST, gateways=("192.0.2.1:15443", "[2001:db8::1]:15443", "gateway.example.com:15443"))
    made = assignment(endpoints(directory(), Topology([], [west]), HERE)["peer/west"])
    addresses = [_where(e.endpoint.address) for c in made.endpoints for e in c.lb_endpoints]
    assert sorted(addresses) == ["192.0.2.1:15443", "2001:db8::1:15443"]


def test_a_peer_that_nothing_is_known_of_has_no_endpoints_yet() -> None:
    made = endpoints(directory(), Topology(), HERE)
    assert [len(assignment(made[name]).endpoints) for name in ("node/blue/8080", "peer/north", "peer/west")] == [
        0,
        0,
        0,
    ]


def test_the_application_is_where_its_instance_is() -> None:
    (locality,) = assignment(app_endpoints(8080, "10.0.0.1")).endpoints
    assert [_where(e.endpoint.address) for e in locality.lb_endpoints] == ["10.0.0.1:8080"]
