"""Before which instances a proxy stands: discovery hopes, an ack says so, and only the instance's end undoes it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from envoy.config.endpoint.v3 import endpoint_pb2

from gateway.agent.acks import Proof, Sighting
from gateway.agent.compose import compose
from gateway.agent.discovery import Found, Instance
from gateway.agent.proxied import Proxied, also, arrived, ports, remaining, seen
from gateway.agent.settling import Settled, settle
from gateway.agent.world import World
from isthmus.xds.endpoints import MATCH
from isthmus.xds.snapshot import Type
from tests import build
from tests.unit.agent.given import BLUE, FRONT, GATEWAY, MESH, instance, mesh, world

NOW = 1000.0
LEDGER = {"old": Proof(ports=frozenset({(80, 1080)})), "new": Proof(ports=frozenset({(80, 2080), (90, 2090)}))}
STRICT = mesh(build.mesh(settings={"transport": "strict"}))


@pytest.mark.parametrize(
    ("known", "sighting", "expected"),
    [
        ({}, Sighting(1, connected=True, acked="old"), {"a": {80: 1080}}),
        ({}, Sighting(1, connected=True), {}),
        ({}, Sighting(1, connected=True, acked="of a former life"), {}),
        ({}, Sighting(1, acked="old"), {}),
        ({"a": {80: 1080}}, Sighting(1, connected=True, acked="new"), {"a": {80: 2080, 90: 2090}}),
        ({"a": {80: 1080, 90: 1}}, Sighting(1, connected=True, acked="old"), {"a": {80: 1080, 90: 1}}),
        ({"a": {80: 1080}}, Sighting(1), {"a": {80: 1080}}),
        ({"b": {80: 1}}, Sighting(1, connected=True, acked="old"), {"b": {80: 1}, "a": {80: 1080}}),
    ],
    ids=[
        "an ack",
        "connected and nothing acked",
        "something that we do not know",
        "gone",
        "it listens elsewhere now, and at more ports",
        "a port that it had",
        "it went",
        "another instance's stays",
    ],
)
def test_what_is_seen(known: Proxied, sighting: Sighting, expected: Proxied) -> None:
    assert seen(known, {"a"}, {"a": sighting}, LEDGER) == expected


def test_who_is_to_have_no_proxy_here_proves_nothing() -> None:
    """An instance that was listed anew without ports, while its old proxy is still connected."""
    assert seen({}, set(), {"a": Sighting(1, connected=True, acked="old")}, LEDGER) == {}


def test_what_is_known_already_is_the_same_mapping() -> None:
    """It is compared at every settling, and written when it differs."""
    known = {"a": {80: 1080}}
    assert also(known, {"a": {80: 1080}}) is known
    assert remaining(known, Found((Instance("a", "h", "10.0.0.1"),))) is known


def test_what_is_seen_for_the_first_time_is_arriving_and_what_moves_is_not() -> None:
    now = {"a": {80: 2080, 90: 2090}, "b": {80: 1}, "c": {80: 1}}
    assert arrived({"a": {80: 1080}, "c": {80: 1}}, now) == {"a": {90}, "b": {80}}


def test_only_who_sees_can_say_that_an_instance_is_gone() -> None:
    known = {"a": {80: 1080}, "b": {80: 1081}}
    assert remaining(known, Found((Instance("b", "h", "10.0.0.1"),))) == {"b": {80: 1081}}
    assert remaining(known, Found((), stale=True)) == known


@pytest.mark.parametrize(
    ("known", "siblings", "expected"),
    [
        ({}, False, {}),
        ({"blue": {8080: 1}}, False, {8080: 1}),
        ({}, True, {8080: 15006}),
        ({"blue": {8080: 1, 9090: 2}}, True, {8080: 15006, 9090: 2}),
    ],
    ids=["a hope", "seen, at another port", "a sibling may have seen it", "both"],
)
def test_where_an_instance_is_reached(known: Proxied, siblings: bool, expected: Mapping[int, int]) -> None:  # noqa: FBT001
    assert ports(BLUE, known, siblings=siblings) == expected


def blue_of(given: World) -> list[tuple[str, int, bool]]:
    """How `front` calls `blue`: address, port, whether in plaintext."""
    plan = compose(given).plans["front"]
    (body,) = (r.body for r in plan.resources.values() if (r.type, r.name) == (Type.ENDPOINTS, "node/blue/8080"))
    said = [e for each in endpoint_pb2.ClusterLoadAssignment.FromString(body).endpoints for e in each.lb_endpoints]
    at = [(e.endpoint.address.socket_address, MATCH in e.metadata.filter_metadata) for e in said]
    return [(where.address, where.port_value, bare) for where, bare in at]


PLAIN, MUTUAL = ("10.0.0.2", 8080, True), ("10.0.0.2", 15006, False)
UNLISTED = replace(BLUE, ports={})


@pytest.mark.parametrize(
    ("blue", "more", "expected"),
    [
        (BLUE, {"proxied": {}}, [PLAIN]),
        (BLUE, {"proxied": {}, "meshes": {MESH: STRICT}}, []),
        (BLUE, {}, [MUTUAL]),
        (BLUE, {"meshes": {MESH: STRICT}}, [MUTUAL]),
        (UNLISTED, {}, [PLAIN]),
        (UNLISTED, {"proxied": {"blue": {8080: 15006}}}, [MUTUAL]),
        (replace(BLUE, ports={9090: 15009}), {"proxied": {"blue": {9090: 15009}}}, [PLAIN]),
        (replace(BLUE, ports={8080: 16006}), {"proxied": {"blue": {8080: 15006}}}, [MUTUAL]),
    ],
    ids=[
        "not seen yet",
        "not seen yet, and strict",
        "seen",
        "seen, and strict",
        "no proxy, ever",
        "discovery has forgotten its proxy",
        "seen before another port only",
        "its proxy is to move, and has not acked it",
    ],
)
def test_how_an_instance_is_called(blue: Instance, more: Any, expected: object) -> None:  # noqa: ANN401 - fields of a world
    assert blue_of(world(FRONT, blue, **more)) == expected


def test_an_instance_is_not_exported_before_its_proxy_was_seen() -> None:
    hoped = compose(world(FRONT, BLUE, gateways=(GATEWAY,), proxied={"front": FRONT.ports}))
    assert len(hoped.plans["ew"].target.proof.picks) == 2, "front's slot, and any instance of front"
    assert "blue" in hoped.plans, "its proxy is served all the same, or it could never ack"


def test_settling_tells_what_acks_have_shown() -> None:
    given = world(FRONT, BLUE, instance("ingress", {9080: 9081}), gateways=(GATEWAY,), proxied={})
    first = settle(given, {}, Settled(), {}, NOW)
    assert first.proxied == {}
    plans = first.composition.plans
    sightings = {n: Sighting(1, connected=True, envoy="1.40.0", acked=p.state.definition) for n, p in plans.items()}
    second = settle(given, sightings, first, {}, NOW)
    assert second.proxied == {"front": {8080: 15006}, "blue": {8080: 15006}}, "nobody in the mesh calls gateways"
    assert second.composition.shared[MESH] is first.composition.shared[MESH], "nothing follows before it is kept"
