"""Instances whose applications are their own xDS clients: plans of their own, as proxies have them."""

from dataclasses import replace
from typing import Any

from gateway.agent.acks import Sighting
from gateway.agent.compose import compose
from gateway.agent.discovery import Found
from gateway.agent.plans import Plan
from gateway.agent.proxyless import lacking
from gateway.agent.settling import Settled, settle
from isthmus.xds.snapshot import Type
from tests import build
from tests.unit.agent.given import BLUE, DOMAIN, FRONT, MESH, TRUST, instance, mesh, world

CLIENT = instance("front", {}, grpc=True)


def plan(*also: Any, **more: Any) -> Plan:  # noqa: ANN401 - of `world`
    return compose(world(CLIENT, *also, **more)).plans["front"]


def test_it_has_its_nodes_identity_and_proves_its_nodes_view() -> None:
    state = plan(BLUE).state
    assert (state.role, state.node, state.identity) == ("proxyless", "front", f"spiffe://{DOMAIN}/mesh/shop/node/front")
    assert {v.view for v in plan(BLUE).target.proof.views} == {"node/front@1.40"}


def test_it_asks_by_name_for_what_it_calls_and_gets_nothing_of_an_envoys() -> None:
    named = {(r.type, r.name) for r in plan(BLUE).state.refs}
    assert {name for kind, name in named if kind == Type.LISTENER} == {"colors.local", "colors.local:*"}
    assert {name for kind, name in named if kind == Type.SECRET} == {"bundle"}, "its warden writes it to a file"
    assert not [name for kind, name in named if kind == Type.EXTENSION or "inbound" in name]


def test_only_the_definition_is_proven() -> None:
    proven = {r.type for r in plan(BLUE).state.refs if r.proven}
    assert proven == {Type.LISTENER, Type.ROUTES, Type.CLUSTER}
    moved = plan(replace(BLUE, address="10.0.0.7"))
    assert moved.state.definition == plan(BLUE).state.definition


def test_it_is_called_as_one_without_a_proxy_and_is_not_exported() -> None:
    made = compose(world(FRONT, instance("blue", {}, address="10.0.0.2", grpc=True)))
    local = {each.name: each.ports for each in made.shared[MESH].local}
    assert local == {"front": {8080: 15006}, "blue": {}}


def test_an_endpoint_that_stays_composes_nothing_again() -> None:
    given = world(CLIENT, BLUE)
    first = compose(given)
    again = compose(replace(given, found=Found((CLIENT, BLUE, instance("stranger")))), first)
    assert again.plans["front"] is first.plans["front"]


def test_why_there_is_none_is_told() -> None:
    assert compose(world(CLIENT, trust={})).left_out == {"front": "no trust bundle is known yet"}
    assert compose(world(CLIENT, trust=TRUST)).left_out == {}
    unseen = mesh(build.mesh())
    bare = replace(unseen, versions={v: d for v, d in unseen.versions.items() if not v.startswith("node/front@")})
    assert compose(world(CLIENT, meshes={MESH: bare})).left_out == {"front": "no mesh here has a view for it"}


def test_a_gateway_has_no_client_of_its_own() -> None:
    door = instance("ingress", {9080: 9081}, grpc=True)
    assert compose(world(door)).left_out == {"ingress": "a virtual gateway is an Envoy, and gRPC's own client is none"}


def test_what_grpc_does_not_do_is_told_once() -> None:
    idle = build.route(targets={"blue": 1}, timeout={"idle": {"unit": "s", "value": 5}})
    made = {MESH: mesh(build.mesh(idle))}
    lost = plan(BLUE, meshes=made)
    assert lost.lacks == ("route/router/all: gRPC has no idle timeout of a call",)
    assert list(lacking({"front": lost}, {})) == [lost]
    assert list(lacking({"front": lost}, {"front": plan(BLUE)})) == [lost]
    assert list(lacking({"front": lost}, {"front": lost})) == []
    assert list(lacking({"front": plan(BLUE)}, {})) == []


def test_an_instance_that_gets_an_envoy_instead_is_served_the_newest_view() -> None:
    """What its application said it was is no Envoy's minor."""
    seen = {"front": Sighting(session=1, envoy="gRPC C-core linux Python C-core 58.0.0 Python 1.85.1")}
    settled = settle(world(FRONT), seen, Settled(), {}, now=0.0)
    assert settled.composition.plans["front"].state.minor == "1.40"
    older = {"front": Sighting(session=1, envoy="1.39.2")}
    assert "front" in settle(world(FRONT), older, Settled(), {}, now=0.0).composition.left_out
