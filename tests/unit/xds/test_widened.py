"""Widened: on the way from one way of serving a port to another, both are served, and all of it is asked for."""

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2

from isthmus.model.definition import Definition
from isthmus.xds.compile import compile_mesh
from isthmus.xds.consistency import of_manifest
from isthmus.xds.overlap import differing, overlap
from isthmus.xds.snapshot import Manifest, Phase, Resource, Snapshot, Type
from isthmus.xds.widened import joined
from tests import build
from tests.golden.cases import surroundings

Json = Any
VIEW = "node/blue@1.40"


def certificate(name: str) -> Json:
    return {"file": {"certificateChain": f"/{name}.pem", "privateKey": f"/{name}.key"}}


def tls(mode: str, name: str = "a", *, validated: bool = False) -> Json:
    trust = {"validation": {"trust": {"file": {"certificateChain": "/ca.pem"}}}} if validated else {}
    return {"mode": mode, "certificate": certificate(name)} | trust


WAYS: Mapping[str, tuple[str, Json]] = {
    "http": ("http", None),
    "grpc": ("grpc", None),
    "tcp": ("tcp", None),
    "http, strict": ("http", tls("STRICT")),
    "http, strict, another certificate": ("http", tls("STRICT", "b")),
    "http, permissive": ("http", tls("PERMISSIVE")),
    "http, validated": ("http", tls("STRICT", validated=True)),
    "http, permissive, validated": ("http", tls("PERMISSIVE", validated=True)),
    "http, disabled": ("http", tls("DISABLED")),
    "grpc, strict": ("grpc", tls("STRICT")),
    "tcp, permissive": ("tcp", tls("PERMISSIVE", "b")),
    "tcp, validated": ("tcp", tls("STRICT", validated=True)),
}


def snapshot(way: str, *, certificate_of_calls: str = "a") -> Snapshot:
    """`blue` serves its port this way, and shows the same certificate where it calls."""
    protocol, said = WAYS[way]
    policy = {"certificate": certificate(certificate_of_calls), "validation": {"trust": _FILE}}
    definition = build.mesh(
        build.node(
            protocol=protocol,
            listener={"tls": said} if said else None,
            backends=["green.local"],
            backendDefaults={"clientPolicy": {"tls": policy}},
        ),
        build.service("green.local", node="green"),
    )
    return _compiled(definition)


_FILE = {"file": {"certificateChain": "/ca.pem"}}


def _compiled(definition: Definition) -> Snapshot:
    return compile_mesh(definition, surroundings(), "east").snapshot


KNOWN = {way: snapshot(way) for way in WAYS}


def road(old: Snapshot, new: Snapshot) -> list[tuple[Manifest, Mapping[str, Resource]]]:
    """What is offered in each phase, with all bodies."""
    bodies = {**old.resources, **new.resources}
    out: list[tuple[Manifest, Mapping[str, Resource]]] = []
    for phase in Phase:
        read = {version: bodies[version] for version in differing(old.manifest, new.manifest)}
        content = overlap(phase, old.manifest, new.manifest, read)
        out.append((content.manifest, {**bodies, **{r.ref.version: r for r in content.tables}}))
    return out


def chains(manifest: Manifest, bodies: Mapping[str, Resource]) -> set[str]:
    return {chain.name for chain in _listener(manifest, bodies).filter_chains}


def _listener(manifest: Manifest, bodies: Mapping[str, Resource]) -> listener_pb2.Listener:
    ref = next(r for r in manifest.views[VIEW].serving if r.type == Type.LISTENER)
    return listener_pb2.Listener.FromString(bodies[ref.version].body)


@pytest.mark.parametrize(("old", "new"), list(permutations(WAYS, 2)))
def test_both_ways_are_served_until_callers_have_followed_and_nothing_is_left_over(old: str, new: str) -> None:
    before, after = KNOWN[old], KNOWN[new]
    offered = road(before, after)
    had, has = chains(before.manifest, before.resources), chains(after.manifest, after.resources)
    assert [of_manifest(*each) for each in offered] == [(), (), ()]
    expand, shift, contract = (chains(*each) for each in offered)
    assert expand == shift == had | has
    assert contract == has
    for manifest, bodies in offered:
        matches = [c.filter_chain_match.SerializeToString() for c in _listener(manifest, bodies).filter_chains]
        assert len(set(matches)) == len(matches), "Envoy would refuse two chains for the same callers"
    assert offered[-1][0] == after.manifest


@pytest.mark.parametrize("way", WAYS)
def test_where_nothing_changes_nothing_is_made(way: str) -> None:
    assert joined(*[_resource(KNOWN[way])] * 2) == _resource(KNOWN[way])


def _resource(known: Snapshot) -> Resource:
    ref = next(r for r in known.manifest.views[VIEW].serving if r.type == Type.LISTENER)
    return known.resources[ref.version]


@pytest.mark.parametrize(("old", "new"), list(permutations(WAYS, 2)), ids=str)
def test_of_the_meshs_chains_all_are_for_its_names_or_none(old: str, new: str) -> None:
    """Envoy looks for a name first, and among its chains alone for a protocol then."""
    pair = [snapshot(way).resources for way in (old, new)]
    listeners = [
        next(r for r in said.values() if r.name == "inbound/8080" and r.type == Type.LISTENER) for said in pair
    ]
    made = listener_pb2.Listener.FromString(joined(listeners[1], listeners[0]).body)
    matches = [chain.filter_chain_match for chain in made.filter_chains]
    assert len({tuple(match.server_names) for match in matches if match.application_protocols}) == 1
    assert not any(match.server_names for match in matches if not match.application_protocols)


def test_an_application_is_called_in_its_http_as_long_as_requests_may_come() -> None:
    said = [_app(manifest, bodies) for manifest, bodies in road(KNOWN["grpc"], KNOWN["tcp"])]
    assert [bool(app.typed_extension_protocol_options) for app in said] == [True, True, False]


def _app(manifest: Manifest, bodies: Mapping[str, Resource]) -> cluster_pb2.Cluster:
    ref = next(r for r in manifest.views[VIEW].serving if r.name == "app/8080")
    return cluster_pb2.Cluster.FromString(bodies[ref.version].body)


def test_a_port_that_ends_keeps_its_certificate_until_it_has_ended() -> None:
    without = _compiled(build.mesh(build.node(port=None), build.node("green"), targets={"green": 1}))
    offered = road(KNOWN["http, strict"], without)
    assert [of_manifest(*each) for each in offered] == [(), (), ()]
    kept = [any(r.type == Type.SECRET for r in manifest.views[VIEW].serving) for manifest, _ in offered]
    assert kept == [True, True, False]
