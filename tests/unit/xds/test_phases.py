"""Phases: whatever is edited, what a cluster is offered on the way from the old to the new is whole at every step."""

import pytest

from isthmus.model.definition import Definition
from isthmus.xds.compile import compile_mesh
from isthmus.xds.consistency import inconsistencies, of_manifest
from isthmus.xds.snapshot import NOTHING, Phase, Snapshot, compose
from tests import build
from tests.golden.cases import surroundings

DB = (
    build.node("db", port=5432, protocol="tcp"),
    build.service("db.local", node="db"),
    build.node("front", backends=[build.SERVICE, "db.local"]),
)
MESH = build.mesh()
EDITS = {
    "another share": build.mesh(targets={"blue": 90, "green": 10}),
    "another node behind the route": build.mesh(targets={"blue": 50, "red": 50}),
    "a node that runs elsewhere only": build.mesh(build.placement("blue", "west")),
    "another port": build.mesh(build.node("blue", port=9090), build.node("green", port=9090)),
    "one port more": build.mesh(build.node("front", ports={8080: "http", 9090: "http2"}, backends=[build.SERVICE])),
    "a port of another protocol": build.mesh(build.node("blue", protocol="tcp"), build.node("green", protocol="grpc")),
    "a backend less": build.mesh(build.node("front")),
    "a cluster less": build.mesh(clusters=["east"]),
    "strict": build.mesh(settings={"transport": "strict"}),
    "another gateway port": build.mesh(build.gateway(port=9443)),
    "a TCP backend more": build.mesh(*DB),
    "requests are let out": build.mesh(spec={"egressFilter": {"type": "ALLOW_ALL"}}),
    "the cluster itself is detached": build.mesh(clusters=["west"]),
}


def snapshot(definition: Definition) -> Snapshot:
    return compile_mesh(definition, surroundings(), "east").snapshot


@pytest.mark.parametrize("edited", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("forth", [True, False], ids=["forth", "and back"])
def test_every_phase_between_two_definitions_is_whole(edited: Definition, phase: Phase, forth: bool) -> None:  # noqa: FBT001
    ends = snapshot(MESH), snapshot(edited)
    old, new = ends if forth else ends[::-1]
    offered = compose(phase, old.manifest, new.manifest)
    assert of_manifest(offered, {**old.resources, **new.resources}) == ()


@pytest.mark.parametrize("phase", list(Phase))
def test_a_mesh_that_is_new_to_a_cluster_is_whole_in_every_phase(phase: Phase) -> None:
    new = snapshot(MESH)
    assert of_manifest(compose(phase, NOTHING, new.manifest), new.resources) == ()


def test_what_a_listener_no_longer_needs_goes_with_its_old_content() -> None:
    """Envoy would not ask for it, so nobody would ever acknowledge it, and expand would never end."""
    old, new = snapshot(MESH), snapshot(EDITS["a port of another protocol"])
    expand = compose(Phase.EXPAND, old.manifest, new.manifest).views["node/blue@1.40"].serving
    assert expand == new.manifest.views["node/blue@1.40"].serving


def test_serving_of_one_name_changes_only_with_what_is_said_of_it() -> None:
    """Expand offers the new content under the old name, so an edit elsewhere must leave what is served alone."""
    before = snapshot(MESH).manifest.views["node/blue@1.40"].serving
    for name in ("another share", "a backend less", "a cluster less", "strict", "another gateway port"):
        assert snapshot(EDITS[name]).manifest.views["node/blue@1.40"].serving == before, name


@pytest.mark.parametrize("missing", ["node/blue/8080", "node/db/5432", "tcp/db.local/5432"])
def test_a_missing_backend_is_found(missing: str) -> None:
    whole = snapshot(build.mesh(*DB))
    parts = whole.manifest.views["node/front@1.40"]
    fewer = parts._replace(calling=tuple(r for r in parts.calling if r.name != missing))
    manifest = type(whole.manifest)({**whole.manifest.views, "node/front@1.40": fewer})
    assert [said for said in of_manifest(manifest, whole.resources) if missing in said]
    assert inconsistencies(whole) == ()
