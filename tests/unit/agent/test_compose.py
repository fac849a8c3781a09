"""Who gets which view, under which identity, and what stays when something else moves."""

from dataclasses import replace
from typing import Any

from gateway.agent.compose import compose
from gateway.agent.discovery import Found, Instance
from isthmus.xds.snapshot import Type
from tests import build
from tests.unit.agent.given import (
    BLUE,
    DOMAIN,
    EAST_WEST_VIEW,
    FRONT,
    GATEWAY,
    GREEN,
    INGRESS,
    MESH,
    TRUST,
    instance,
    mesh,
    world,
)


def test_every_proxy_gets_its_own_view_and_identity() -> None:
    plans = compose(world(FRONT, INGRESS, gateways=(GATEWAY,))).plans
    said = {name: (p.state.role, p.state.node, p.state.identity, p.host) for name, p in plans.items()}
    assert said == {
        "front": ("node", "front", f"spiffe://{DOMAIN}/mesh/shop/node/front", "h1"),
        "ingress": ("gateway", "ingress", f"spiffe://{DOMAIN}/mesh/shop/gateway/ingress", "h1"),
        "ew": ("east-west", "", "", "h1"),
    }
    views = {name: {v.view for v in p.target.proof.views} for name, p in plans.items()}
    assert views == {"front": {"node/front@1.40"}, "ingress": {"gateway/ingress@1.40"}, "ew": {EAST_WEST_VIEW}}


def test_definition_is_proven_and_endpoints_and_bundles_are_not() -> None:
    plans = compose(world(FRONT, BLUE, gateways=(GATEWAY,))).plans
    for plan in plans.values():
        assert {r.proven for r in plan.state.refs if r.type in {Type.ENDPOINTS, Type.SECRET}} <= {False}
        assert {r.proven for r in plan.state.refs if r.type not in {Type.ENDPOINTS, Type.SECRET}} == {True}
        assert {r.version for r in plan.state.refs} == set(plan.resources)
    assert not [r for r in plans["ew"].state.refs if r.type == Type.SECRET], "an east-west gateway holds no secret"


def test_files_of_certificates_are_proven_where_they_are_read() -> None:
    """One that cannot be read must halt a rollout; one of a port that is not served nobody would ever acknowledge."""
    pair = {"file": {"certificateChain": "/c.pem", "privateKey": "/c.key"}}
    mappings = [{"portMapping": {"port": port, "protocol": "http"}} for port in (8080, 8081)]
    listeners = [mappings[0] | {"tls": {"mode": "STRICT", "certificate": pair}}, mappings[1]]
    node = build.document("VirtualNode", "front", {"listeners": listeners})
    given = world(FRONT, meshes={MESH: mesh(build.mesh(node))})
    plan = compose(given).plans["front"]
    secrets = {r.name: r.proven for r in plan.state.refs if r.type == Type.SECRET}
    assert secrets == {"bundle": False, "file/serving/%2Fc.pem/%2Fc.key": True}
    elsewhere = compose(replace(given, found=Found((instance("front", {8081: 15007}),), ()))).plans["front"]
    assert {r.name for r in elsewhere.state.refs if r.type == Type.SECRET} == {"bundle"}


def test_an_endpoint_that_moves_changes_no_definition() -> None:
    first = compose(world(FRONT, BLUE))
    moved = compose(world(FRONT, replace(BLUE, address="10.0.0.7")), first)
    was, now = first.plans["front"].state, moved.plans["front"].state
    assert was.definition == now.definition
    assert {r.name for r in now.refs} == {r.name for r in was.refs}
    changed = {(r.type, r.name) for r in now.refs} - {(r.type, r.name) for r in was.refs if r in now.refs}
    assert changed == {(Type.ENDPOINTS, "node/blue/8080")}
    assert moved.plans["blue"].state.definition != first.plans["blue"].state.definition, "it listens elsewhere now"


def test_services_addresses_are_bound_where_an_instance_has_its_host_for_itself() -> None:
    def listeners(of: Instance) -> set[str]:
        refs = compose(world(of, BLUE, **ON_9090)).plans["front"].state.refs
        return {ref.name for ref in refs if ref.type == Type.LISTENER}

    shared = listeners(FRONT)
    own = listeners(replace(FRONT, vips=True))
    assert own - shared == {f"outbound/vip/{build.SERVICE}/9090", "dns"}
    assert shared < own


ON_9090: dict[str, Any] = {"meshes": {MESH: mesh(build.mesh(build.node("blue", port=9090), build.router(port=9090)))}}
ALONE = replace(FRONT, vips=True)


def test_services_addresses_are_bound_by_one_proxy_of_a_host_and_it_is_said_of_the_other() -> None:
    binding = build.binding("z-front", node="front")
    both: dict[str, Any] = {
        "meshes": {MESH: mesh(build.mesh(binding, build.node("blue", port=9090), build.router(port=9090)))}
    }
    for host, bind in (("h1", {"front"}), ("h2", {"front", "z-front"})):
        made = compose(world(ALONE, replace(ALONE, name="z-front", host=host), **both))
        assert {name for name, plan in made.plans.items() if "dns" in {r.name for r in plan.state.refs}} == bind
        assert set(made.plans) == {"front", "z-front"}
        assert ("z-front" in made.left_out) == ("z-front" not in bind)


def test_what_is_not_taken_at_services_addresses_is_said() -> None:
    assert compose(world(ALONE, **ON_9090)).plans["front"].lacks == ()
    assert compose(world(FRONT)).plans["front"].lacks == ()
    (own,) = compose(world(ALONE)).plans["front"].lacks
    assert own.endswith(f"because the port is the application's own: {build.SERVICE}:8080")
    low: dict[str, Any] = {"meshes": {MESH: mesh(build.mesh(build.node("blue", port=81), build.router(port=81)))}}
    (said,) = compose(world(ALONE, **low)).plans["front"].lacks
    assert said.endswith(f"needs `low_ports`: {build.SERVICE}:81")
    assert compose(world(replace(ALONE, low_ports=True), **low)).plans["front"].lacks == ()


def test_what_did_not_change_is_not_composed_again() -> None:
    given = world(FRONT, BLUE, gateways=(GATEWAY,))
    first = compose(given)
    again = compose(replace(given, found=Found((FRONT, BLUE, instance("stranger")), (GATEWAY,))), first)
    assert all(again.plans[name] is plan for name, plan in first.plans.items())
    assert again.left_out == {"stranger": "no binding names it"}
    offered = compose(replace(given, meshes={MESH: mesh(sequence=2)}), first)
    assert offered.plans["front"] is not first.plans["front"]
    assert offered.plans["front"].state == first.plans["front"].state


def test_a_gateways_definition_covers_the_backends_of_its_slots() -> None:
    one = compose(world(BLUE, gateways=(GATEWAY,))).plans["ew"].target
    two = compose(world(BLUE, GREEN, gateways=(GATEWAY,))).plans["ew"].target
    assert len(one.proof.picks) == 2, "the slot, and any instance"
    assert one.proof.picks < two.proof.picks
    assert one.definition != two.definition
    assert one.proof.views == two.proof.views, "another slot is no other revision"


def test_an_instance_without_a_port_has_no_proxy_but_may_be_called() -> None:
    made = compose(world(FRONT, instance("blue", {}, address="10.0.0.2")))
    assert set(made.plans) == {"front"}
    body = next(
        r for r in made.plans["front"].resources.values() if r.name == "node/blue/8080" and r.type == "eds"
    ).body
    assert b"10.0.0.2" in body


def test_a_caller_that_listens_to_nobody_has_a_proxy_if_its_outbound_port_is_said() -> None:
    assert set(compose(world(instance("front", {}, outbound=15001))).plans) == {"front"}
    assert not compose(world(instance("front", {}))).plans


def test_an_envoy_whose_minor_has_no_view_gets_nothing_and_is_named() -> None:
    given = world(FRONT, gateways=(GATEWAY,), minors={"front": "1.39", "ew": "1.41"})
    assert compose(given).left_out == {
        "front": "no mesh here has a view for Envoy 1.39",
        "ew": "no mesh here has a view for Envoy 1.41",
    }
    assert set(compose(replace(given, minors={"front": "1.40", "ew": "1.40"})).plans) == {"front", "ew"}


def test_without_trust_there_is_nothing_to_serve() -> None:
    assert compose(world(FRONT, trust={})).left_out == {"front": "no trust bundle is known yet"}
    assert set(compose(world(FRONT, trust=TRUST)).plans) == {"front"}


def test_without_a_mesh_a_gateway_has_nothing_to_listen_for() -> None:
    assert compose(world(gateways=(GATEWAY,), meshes={})).left_out == {"ew": "no mesh here has a view for it"}


def test_a_node_that_leaves_the_mesh_takes_its_proxies_with_it() -> None:
    first = compose(world(FRONT, GREEN))
    gone = compose(world(FRONT, GREEN, meshes={MESH: mesh(build.mesh(targets={"blue": 100}))}), first)
    assert set(gone.plans) == {"front"}


def test_of_proxies_at_one_address_only_one_has_a_tcp_port() -> None:
    """They would share it, and with it each other's connections."""
    calling = (build.node(name, backends=["db.local"]) for name in ("front", "blue"))
    made = mesh(build.mesh(*calling, build.node("db", port=5432, protocol="tcp"), build.service("db.local", node="db")))
    crowded = instance("blue", {8080: 15007}, address=FRONT.address)
    for beside, expected in ((crowded, {"blue"}), (BLUE, {"blue", "front"})):
        plans = compose(replace(world(FRONT, beside), meshes={MESH: made})).plans
        assert {n for n, p in plans.items() if any(r.name == "outbound/tcp/5432" for r in p.state.refs)} == expected
