"""Which names are asked for, what callers are told of them, and when they make way."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from envoy.config.core.v3 import health_check_pb2
from envoy.config.endpoint.v3 import endpoint_pb2

from gateway.agent.compose import Composition, compose
from gateway.agent.discovery import Found, Health, Instance, kept
from gateway.agent.discovery.answers import Known, Sight
from gateway.agent.inventory import Workload
from gateway.agent.settling import Settled, settle
from gateway.edge import disk
from gateway.proto import link_pb2 as link
from isthmus.ir.found import CloudMap, Discovery, Dns
from isthmus.xds.resolved import Address
from isthmus.xds.snapshot import Type
from tests import build
from tests.unit.agent.given import BLUE, FRONT, MESH, instance, mesh, world

NAME: Discovery = Dns("blue.example", single=True, families=(6, 4))
THERE: Discovery = CloudMap("shop", "green", (("stage", "live"),), (4, 6))
SAID: Mapping[Discovery, Sight] = {
    NAME: Sight((Address("192.0.2.1"),)),
    THERE: Sight((Address("192.0.2.7", "unhealthy"), Address("192.0.2.8"))),
}
NOBODY = link.Imports()
MESHES = {
    MESH: mesh(
        build.mesh(
            build.node("blue", serviceDiscovery={"dns": {"hostname": "blue.example"}}),
            build.node(
                "green",
                serviceDiscovery={
                    "awsCloudMap": {
                        "namespaceName": "shop",
                        "serviceName": "green",
                        "attributes": [{"key": "stage", "value": "live"}],
                        "ipPreference": "IPv4_PREFERRED",
                    }
                },
            ),
        )
    )
}


def made(*instances: Instance, imports: link.Imports | None = NOBODY, **more: Any) -> Composition:  # noqa: ANN401 - World's fields
    """East with these instances, and what the names have said."""
    said = {MESH: imports} if imports else {}
    return compose(world(*instances, meshes=MESHES, imports=said, **{"resolved": SAID} | more))


def endpoints(composition: Composition, name: str, proxy: str = "front") -> list[tuple[str, int, int, str]]:
    """(address, port, health, hostname) of a backend's endpoints."""
    body = next(
        r.body for r in composition.plans[proxy].resources.values() if (r.type, r.name) == (Type.ENDPOINTS, name)
    )
    out = []
    for locality in endpoint_pb2.ClusterLoadAssignment.FromString(body).endpoints:
        assert (locality.priority, locality.locality.sub_zone) == (0, "east")
        for each in locality.lb_endpoints:
            at = each.endpoint.address.socket_address
            plain = each.metadata.filter_metadata["envoy.transport_socket_match"].fields["transport"].string_value
            assert (plain == "plaintext") == each.endpoint.hostname.endswith((".example", ".shop"))
            unasked = each.endpoint.health_check_config.disable_active_health_check
            assert unasked == (each.health_status != health_check_pb2.HEALTHY)
            out.append((at.address, at.port_value, each.health_status, each.endpoint.hostname))
    return out


def test_what_nobody_has_bound_is_asked_for_and_called_in_plaintext() -> None:
    composition = made(FRONT)
    assert composition.names.asked == composition.names.discovered == {NAME, THERE}
    assert endpoints(composition, "node/blue/8080") == [("192.0.2.1", 8080, 1, "blue.example")]
    assert sorted(endpoints(composition, "node/green/8080")) == [
        ("192.0.2.7", 8080, health_check_pb2.UNHEALTHY, "green.shop"),
        ("192.0.2.8", 8080, health_check_pb2.HEALTHY, "green.shop"),
    ]


@pytest.mark.parametrize("health", list(Health))
def test_an_instance_of_this_cluster_goes_before_its_name_however_well_it_is(health: Health) -> None:
    composition = made(FRONT, replace(BLUE, health=health))
    assert composition.names.asked == {THERE}
    assert composition.names.discovered == {NAME, THERE}
    assert [address for address, *_ in endpoints(composition, "node/blue/8080")] == ["10.0.0.2"]


def exported(state: str) -> link.Imports:
    slots = [link.Slot(slot="s", ports=[8080])]
    west = link.Peer(
        cluster="west", region="eu-west-1", state=state, nodes=[link.Exported(node="blue", slots=slots, count=1)]
    )
    return link.Imports(peers=[west])


@pytest.mark.parametrize(
    ("imports", "asked"),
    [
        (None, set()),
        (NOBODY, {NAME, THERE}),
        (exported("live"), {THERE}),
        (exported("unknown"), {THERE}),
        (exported("dead"), {NAME, THERE}),
    ],
    ids=[
        "nobody has told yet what others have",
        "others have nothing",
        "another has it",
        "it is out of sight",
        "it is dead",
    ],
)
def test_instances_elsewhere_go_before_a_name_and_are_known_before_it_is_asked_for(
    imports: link.Imports | None, asked: set[Discovery]
) -> None:
    assert made(FRONT, imports=imports).names.asked == asked


def test_in_a_mesh_of_one_cluster_nobody_else_is_waited_for() -> None:
    alone = build.mesh(build.node("blue", serviceDiscovery={"dns": {"hostname": "blue.example"}}), clusters=("east",))
    assert compose(world(FRONT, meshes={MESH: mesh(alone)})).names.asked == {NAME}


def test_a_name_that_nobody_calls_is_not_asked_for() -> None:
    """`front` and the gateway call blue and green; nobody calls `front`."""
    quiet = build.mesh(build.node("front", serviceDiscovery={"dns": {"hostname": "front.example"}}))
    assert compose(world(meshes={MESH: mesh(quiet)}, imports={MESH: NOBODY})).names.asked == frozenset()


def test_what_a_name_says_reaches_those_who_call_it_and_changes_no_definition() -> None:
    first = made(FRONT, BLUE)
    given = world(FRONT, meshes=MESHES, imports={MESH: NOBODY}, resolved=SAID)
    before = compose(given, first)
    moved = compose(replace(given, resolved={**SAID, NAME: Sight((Address("192.0.2.2"),))}), before)
    was, now = (each.plans["front"].state for each in (before, moved))
    assert was.definition == now.definition
    changed = {(r.type, r.name) for r in now.refs} - {(r.type, r.name) for r in was.refs if r in now.refs}
    assert changed == {(Type.ENDPOINTS, "node/blue/8080")}
    marked = replace(given, resolved={**SAID, NAME: Sight(SAID[NAME].addresses, stale=True, error="silence")})
    assert compose(marked, before).plans["front"] is before.plans["front"], "its addresses are what they were"


def test_what_can_only_be_told_in_ip_addresses_of_instances_makes_way_when_the_last_one_goes() -> None:
    bound = made(FRONT, BLUE)
    gone = compose(world(FRONT, meshes=MESHES, imports={MESH: NOBODY}, resolved=SAID), bound)
    assert endpoints(gone, "node/blue/8080")[0][0] == "192.0.2.1"


def test_envoys_of_app_meshs_image_call_them_too() -> None:
    image = instance("front-image", {}, address="10.0.0.5")
    images = {"front-image": Workload(image, MESH, "node", "front")}
    assert endpoints(made(images=images), "node/blue/8080", "front-image") == [("192.0.2.1", 8080, 1, "blue.example")]


def summary(*instances: Instance, **sights: Sight) -> link.Summary:
    given = world(*instances, meshes=MESHES, imports={MESH: NOBODY}, resolved={NAME: sights["blue"]})
    return settle(given, {}, Settled(), {}, 0.0).summaries[MESH]


def test_the_summary_says_what_is_bound_and_what_is_known_of_the_rest() -> None:
    stale = Sight((Address("192.0.2.1"),), stale=True, error="no answer")
    said = summary(FRONT, blue=stale)
    assert list(said.bound) == ["front"]
    assert list(said.resolved) == [
        link.Resolved(
            node="blue", source="dns", asked="blue.example", addresses=["192.0.2.1"], stale=True, error="no answer"
        ),
        link.Resolved(node="green", source="cloud-map", asked="shop/green"),
    ]
    assert [r.node for r in summary(FRONT, instance("blue", {}), blue=stale).resolved] == ["green"]
    assert list(said.plaintext) == [
        link.Plaintext(caller="front", caller_kind="node", node="blue", port=8080, instances=["192.0.2.1:8080"])
    ], "who calls it so, and would be cut off where transport becomes strict"


def test_what_was_known_is_there_after_a_restart_and_is_stale(tmp_path: Path) -> None:
    kept.write(tmp_path / "resolved.json", {**SAID, Dns("never.example", single=True, families=(4,)): Sight()})
    read = kept.read(tmp_path / "resolved.json")
    assert read == {q: Known(Sight(s.addresses, stale=True, error=kept.NOT_YET)) for q, s in SAID.items()}
    assert kept.read(tmp_path / "missing.json") == {}
    later = [{"asked": {"consul": {"name": "blue"}}, "addresses": []}, {"asked": {"dns": {}}, "addresses": []}]
    disk.write(tmp_path / "later.json", json.dumps(later).encode())
    assert kept.read(tmp_path / "later.json") == {}


def test_found_says_nothing_of_names() -> None:
    """A change of instances does not forget them."""
    given = world(FRONT, meshes=MESHES, imports={MESH: NOBODY}, resolved=SAID)
    before = compose(given)
    after = compose(replace(given, found=Found((FRONT, instance("stranger")))), before)
    assert after.shared[MESH] is before.shared[MESH]
