"""Overlap: while a gateway's route moves from one service to another, no order of its tables leads it nowhere."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise, product

import pytest
from envoy.config.route.v3 import route_components_pb2, route_pb2

from isthmus.model.definition import Definition
from isthmus.model.document import Document
from isthmus.model.key import Key
from isthmus.xds import names
from isthmus.xds.compile import Compiler, Ground, compile_mesh
from isthmus.xds.consistency import of_manifest
from isthmus.xds.overlap import Content, differing, joined, overlap
from isthmus.xds.snapshot import AGENT_VIEW, Manifest, Phase, Ref, Resource, Snapshot, Type, compose
from tests import build
from tests.editing import SERVICES, edits
from tests.golden.cases import surroundings

GATEWAY = f"gateway/{build.GATEWAY}@1.40"
OTHER = "shapes.local"
KEPT = {"hostname": {"defaultTargetHostname": "DISABLED"}}
SEQUENCES, STEPS = 60, 10

SHAPES = [build.node("round"), build.service(OTHER, node="round")]
TO_COLORS = build.mesh(*SHAPES)
TO_SHAPES = build.mesh(*SHAPES, build.gateway_route(service=OTHER))
PORTED = build.node("round", ports={8080: "http", 9090: "http"})

Bodies = Mapping[str, Resource]
Said = tuple[str, bool]
"""What `ingress` asks `outbound` for: a text, and whether in the Host alone (or in App Mesh's header)."""


def snapshot(definition: Definition) -> Snapshot:
    return compile_mesh(definition, surroundings(), "east").snapshot


def road(old: Manifest, new: Manifest, bodies: Bodies) -> tuple[list[Manifest], Bodies]:
    """From what is offered through all phases to what is wanted; and the bodies with those made for the way."""
    needed = differing(old, new)
    contents = [overlap(phase, old, new, {v: bodies[v] for v in needed}) for phase in Phase]
    made = {t.ref.version: t for content in contents for t in content.tables}
    return [old, *(content.manifest for content in contents)], {**bodies, **made}


def tables(manifest: Manifest, view: str) -> tuple[tuple[Ref, ...], Ref | None]:
    """The `ingress` tables of a gateway, and its `outbound`."""
    listed = [r for r in manifest.refs(view) if r.type == Type.ROUTES]
    outbound = next((r for r in listed if r.name == names.OUTBOUND), None)
    return tuple(r for r in listed if r.name != names.OUTBOUND), outbound


def said(ingress: Resource) -> Iterator[Said]:
    """Everything that a gateway's port asks for."""
    for host in route_pb2.RouteConfiguration.FromString(ingress.body).virtual_hosts:
        for route in host.routes:
            if names.listened_port(route.route.cluster, "self") is not None:
                headers = [(added.header.value, False) for added in route.request_headers_to_add]
                yield from headers or [(route.route.host_rewrite_literal, True)]


def known(outbound: Resource) -> set[Said]:
    """Everything that an `outbound` has an answer for; `name:*` answers for no text that is ever asked for."""
    out: set[Said] = set()
    for host in route_pb2.RouteConfiguration.FromString(outbound.body).virtual_hosts:
        out |= {(domain.lower(), True) for domain in host.domains}
    out |= {(_asked_for(route), False) for host in _any_other(outbound) for route in host.routes}
    return out


def lost(ingress: tuple[Ref, ...], outbound: Ref | None, bodies: Bodies) -> set[Said]:
    """What these `ingress` tables ask for and this `outbound` answers 404."""
    if outbound is None:
        return set()
    answers = known(bodies[outbound.version])
    asked = {each for ref in ingress for each in said(bodies[ref.version])}
    return {(text, by_host) for text, by_host in asked if (text.lower() if by_host else text, by_host) not in answers}


def lost_on(manifests: list[Manifest], bodies: Bodies, view: str = GATEWAY) -> set[Said]:
    """What is lost between any manifest and the next, whichever table comes first."""
    out: set[Said] = set()
    for step in pairwise(manifests):
        pairs = [tables(manifest, view) for manifest in step]
        for (ingress, _), (_, outbound) in product(pairs, pairs):
            out |= lost(ingress, outbound, bodies)
    return out


MOVES = {
    "another service": (TO_COLORS, TO_SHAPES),
    "another service that keeps the caller's host": (
        build.mesh(*SHAPES, build.gateway_route(rewrite=KEPT)),
        build.mesh(*SHAPES, build.gateway_route(service=OTHER, rewrite=KEPT)),
    ),
    "a service that is new": (build.mesh(), TO_SHAPES),
    "a service that runs elsewhere": (
        build.mesh(build.placement("blue"), build.placement("green")),
        build.mesh(build.placement("blue"), build.placement("green"), *SHAPES, build.placement("round", "west"),
                   build.gateway_route(service=OTHER)),
    ),
    "a service in a cluster that is new": (
        build.mesh(clusters=["east"]),
        build.mesh(*SHAPES, build.placement("round", "west"), build.gateway_route(service=OTHER)),
    ),
    "a port of a service": (
        build.mesh(PORTED, build.service(OTHER, node="round")),
        build.mesh(PORTED, build.service(OTHER, node="round"), build.gateway_route(service=OTHER, target_port=9090)),
    ),
    "a service that gets ports as the route does": (
        TO_SHAPES,
        build.mesh(PORTED, build.service(OTHER, node="round"), build.gateway_route(service=OTHER, target_port=9090)),
    ),
    "the same for a caller's host": (
        build.mesh(*SHAPES, build.gateway_route(service=OTHER, rewrite=KEPT)),
        build.mesh(PORTED, build.service(OTHER, node="round"),
                   build.gateway_route(service=OTHER, target_port=9090, rewrite=KEPT)),
    ),
}  # fmt: skip
MOVES |= {f"{name}, and back": (new, old) for name, (old, new) in MOVES.items()}


@pytest.mark.parametrize(("old", "new"), MOVES.values(), ids=MOVES)
def test_a_gateway_route_that_moves_is_led_somewhere_at_every_step(old: Definition, new: Definition) -> None:
    before, after = snapshot(old), snapshot(new)
    manifests, bodies = road(before.manifest, after.manifest, {**before.resources, **after.resources})
    assert lost_on(manifests, bodies) == set()
    for manifest in manifests:
        assert of_manifest(manifest, bodies) == ()


def test_without_overlap_it_would_be_lost() -> None:
    before, after = snapshot(TO_COLORS), snapshot(TO_SHAPES)
    bare = [before.manifest, *(compose(phase, before.manifest, after.manifest) for phase in Phase)]
    gone = lost_on(bare, {**before.resources, **after.resources})
    assert {text for text, _ in gone} == {build.SERVICE, OTHER}


def by_header(manifest: Manifest, bodies: Bodies) -> list[str]:
    """The services that the gateway's `outbound` knows, in its own order."""
    _, ref = tables(manifest, GATEWAY)
    assert ref is not None
    (any_other,) = _any_other(bodies[ref.version])
    return [text for route in any_other.routes if (text := _asked_for(route))]


def _any_other(table: Resource) -> list[route_components_pb2.VirtualHost]:
    listed = route_pb2.RouteConfiguration.FromString(table.body).virtual_hosts
    return [host for host in listed if "*" in host.domains]


def _asked_for(route: route_components_pb2.Route) -> str:
    said = [h.string_match.exact for h in route.match.headers if h.name == names.MESH_SERVICE_HEADER]
    return "".join(said)


def test_a_service_is_known_a_phase_before_it_is_called_and_a_phase_after() -> None:
    before, after = snapshot(TO_COLORS), snapshot(TO_SHAPES)
    (_, expand, shift, contract), bodies = road(
        before.manifest, after.manifest, {**before.resources, **after.resources}
    )
    assert by_header(expand, bodies) == [build.SERVICE, OTHER]
    assert by_header(shift, bodies) == [OTHER, build.SERVICE]
    assert by_header(contract, bodies) == [OTHER]
    assert tables(expand, GATEWAY)[0] == tables(before.manifest, GATEWAY)[0]
    assert tables(shift, GATEWAY)[0] == tables(after.manifest, GATEWAY)[0]
    clusters = [[r.name for r in m.refs(GATEWAY) if r.name.startswith("node/")] for m in (expand, shift, contract)]
    assert clusters == [["node/blue/8080", "node/green/8080", "node/round/8080"]] * 2 + [["node/round/8080"]]


def test_a_gateway_route_that_comes_takes_no_contract_and_one_that_goes_no_expand() -> None:
    colors, both = snapshot(TO_COLORS), snapshot(build.mesh(*SHAPES, build.gateway_route("more", service=OTHER)))
    bodies = {**colors.resources, **both.resources}
    (_, _, shift, contract), _ = road(colors.manifest, both.manifest, bodies)
    assert shift == contract
    (old, expand, shift, contract), _ = road(both.manifest, colors.manifest, bodies)
    assert old == expand
    assert shift != contract


ALIKE: Mapping[str, tuple[Document, ...]] = {
    "another share": (build.route(targets={"blue": 90, "green": 10}),),
    "another node behind the service": (build.service(OTHER, node="blue"),),
    "another match": (build.gateway_route(prefix="/colors"),),
    "the caller's host": (build.gateway_route(rewrite=KEPT),),
    "a service that no gateway calls": (build.service("hues.local", node="blue"),),
}


@pytest.mark.parametrize("documents", ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize("phase", list(Phase))
def test_where_no_name_comes_or_goes_all_is_as_ever(documents: tuple[Document, ...], phase: Phase) -> None:
    old, new = snapshot(TO_COLORS), snapshot(build.mesh(*SHAPES, *documents))
    content = overlap(phase, old.manifest, new.manifest, {**old.resources, **new.resources})
    assert content == Content(compose(phase, old.manifest, new.manifest))


def test_a_changed_service_acts_in_shift_alone_though_names_come_and_go() -> None:
    old, new = snapshot(TO_COLORS), snapshot(build.mesh(
        *SHAPES, build.route(targets={"blue": 90, "green": 10}), build.gateway_route("more", service=OTHER)
    ))  # fmt: skip
    (_, expand, shift, _), bodies = road(old.manifest, new.manifest, {**old.resources, **new.resources})

    def weights(manifest: Manifest) -> list[int]:
        _, ref = tables(manifest, GATEWAY)
        assert ref is not None
        (any_other,) = _any_other(bodies[ref.version])
        (route,) = (r for r in any_other.routes if _asked_for(r) == build.SERVICE)
        return [c.weight.value for c in route.route.weighted_clusters.clusters]

    assert (weights(expand), weights(shift)) == ([50, 50], [90, 10])


def test_joining_twice_adds_nothing() -> None:
    one, two = (_outbound(snapshot(each)) for each in (TO_COLORS, TO_SHAPES))
    both = joined(one, two)
    assert joined(both, two) is both
    assert joined(both, one) is both
    assert joined(one, one) is one


def test_what_an_older_compiler_asked_for_in_the_host_is_known_until_nobody_does() -> None:
    """Its `ingress` rewrote the Host and removed the header; its table had a virtual host for each name."""
    table = _outbound(snapshot(TO_COLORS))
    (any_other,) = _any_other(table)
    host = route_components_pb2.VirtualHost(
        name="service/colors.local", domains=[build.SERVICE, f"{build.SERVICE}:*"], routes=any_other.routes
    )
    message = route_pb2.RouteConfiguration(name=names.OUTBOUND, virtual_hosts=[host, any_other])
    older = Resource(Type.ROUTES, names.OUTBOUND, message.SerializeToString(deterministic=True))
    assert joined(older, table) is older
    assert known(joined(table, older)) == known(older)
    assert (build.SERVICE, True) in known(older) - known(table)


def _outbound(of: Snapshot) -> Resource:
    _, ref = tables(of.manifest, GATEWAY)
    assert ref is not None
    return of.resources[ref.version]


START = build.mesh(*SHAPES, build.node("square"), build.service("squares.local", node="square"))


def _moved(source: random.Random) -> Mapping[Key, Document]:
    """A gateway route that leads to another service more often than not: one that no edit touches, or may be gone."""
    service = source.choice((OTHER, "squares.local", *SERVICES))
    said = build.gateway_route(service=service, rewrite=source.choice((None, KEPT)))
    return {said.key: said}


def edited(seed: int) -> int:
    """One sequence of random edits, each on its way through the phases, often overtaken; how many tables were made."""
    source = random.Random(seed)
    cluster = source.choice(("east", "west"))
    compiler = Compiler(Ground.of(START, surroundings()), cluster)
    compiler.change(START.documents, {})
    bodies: Bodies = compiler.compiled.snapshot.resources
    at, made = compiler.manifest, 0
    excused: dict[tuple[Ref, ...], set[Said]] = defaultdict(set)
    for edit, _ in edits(source, STEPS):
        compiler.change({**edit, **_moved(source)}, {})
        after = compiler.compiled.snapshot
        count = len(bodies.keys() | after.resources.keys())
        manifests, bodies = road(at, after.manifest, {**bodies, **after.resources})
        made += len(bodies) - count
        for manifest in (at, after.manifest):
            for view in manifest.views:
                ingress, outbound = tables(manifest, view)
                excused[ingress] |= lost(ingress, outbound, bodies)
        reached = manifests[: source.choice((2, 3, 4, 4))]
        for manifest in manifests:
            assert of_manifest(manifest, bodies) == (), f"seed {seed}: after {edit}"
        for step in pairwise(reached):
            _lost_nowhere(step, bodies, excused, f"seed {seed}: after {edit}")
        at = reached[-1]
    return made


def _lost_nowhere(
    step: tuple[Manifest, Manifest], bodies: Bodies, excused: Mapping[tuple[Ref, ...], set[Said]], where: str
) -> None:
    """Nothing is lost on a step that is not lost by the definition itself."""
    for view in step[0].views.keys() & step[1].views.keys():
        pairs = [tables(manifest, view) for manifest in step] if view.startswith("gateway/") else []
        for (ingress, _), (_, outbound) in product(pairs, pairs):
            assert lost(ingress, outbound, bodies) <= excused[ingress], f"{where}: {view}"


@pytest.mark.parametrize("part", range(3))
def test_whatever_is_edited_every_phase_is_whole_and_leads_somewhere(part: int) -> None:
    per = SEQUENCES // 3
    made = sum(edited(seed) for seed in range(part * per, (part + 1) * per))
    assert made > per, "edits that move no gateway prove nothing"


def test_the_agent_is_told_of_what_is_called_on_the_way_and_of_nothing_else() -> None:
    old, new = snapshot(TO_COLORS), snapshot(build.mesh(
        *SHAPES, build.node("square"), build.service("squares.local", node="square"),
        build.node("front", backends=["squares.local"]), build.gateway_route(service=OTHER),
    ))  # fmt: skip
    (_, expand, _, _), _ = road(old.manifest, new.manifest, {**old.resources, **new.resources})
    told = {r.name for r in expand.views[AGENT_VIEW].calling if r.type == Type.BACKEND}
    assert told == {"node/blue/8080", "node/green/8080", "node/round/8080"}
