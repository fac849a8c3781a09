"""A port whose way of being served changes, under a steady stream of requests: not one of them is lost.

`front` calls `near` beside it and `far` in the other cluster, which are told phase by phase to be served otherwise.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.xds.snapshot import Phase, Snapshot, compose
from tests import build
from tests.contract.envoy.asking import connected, received
from tests.contract.envoy.authorities import Authority, put
from tests.contract.envoy.flowing import Streams, phases
from tests.contract.envoy.stage import HERE, HTTP, OUTBOUND, Instance, Stage
from tests.until import until

Json = Any
OURS = Authority("ours")
TARGETS = {"near": "east", "far": "west"}
WAYS = ("plain", "strict", "validated", "permissive", "validated", "plain", "permissive", "strict", "plain")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    OURS.issue("colors.example").write(made, "pair")
    put(made / "ca.pem", OURS.pem)
    return made


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage(Instance("front"), Instance("near"), Instance("far", cluster="west"))
    try:
        yield made
        assert made.ads.refused == []
    finally:
        made.stop()


def definition(folder: Path, way: str, protocol: str = "http") -> Definition:
    """Both nodes are served this way, and called accordingly."""
    pair = {"file": {"certificateChain": str(folder / "pair.pem"), "privateKey": str(folder / "pair.key")}}
    trust = {"trust": {"file": {"certificateChain": str(folder / "ca.pem")}}}
    names = {"subjectAlternativeNames": {"match": {"exact": ["colors.example"]}}}
    policy = {"tls": {"certificate": pair, "validation": trust | names}}
    tls: Mapping[str, Json] = {
        "plain": None,
        "strict": {"mode": "STRICT", "certificate": pair},
        "permissive": {"mode": "PERMISSIVE", "certificate": pair},
        "validated": {"mode": "STRICT", "certificate": pair, "validation": trust},
    }
    called = {} if tls[way] is None else {"backendDefaults": {"clientPolicy": policy}}
    listener = {} if tls[way] is None else {"tls": tls[way]}
    backends = [{"virtualService": {"virtualServiceName": build.SERVICE}}]
    return build.definition(
        *(build.attachment(cluster) for cluster in HERE),
        build.document("VirtualNode", "front", {"backends": backends} | called),
        *(build.node(name, port=HTTP, protocol=protocol, listener=listener) for name in TARGETS),
        *(build.placement(name, cluster) for name, cluster in TARGETS.items()),
        build.router(port=HTTP, protocol=protocol),
        build.route(targets=dict.fromkeys(TARGETS, 1), protocol=protocol),
        build.service(router=build.ROUTER),
        settings={"transport": "strict"},
    )


def snapshots(stage: Stage, definition: Definition) -> Mapping[str, Snapshot]:
    """A definition's, which is then in force."""
    stage.apply(definition)
    return stage.snapshots


def test_no_request_is_lost_while_tls_comes_changes_and_goes(stage: Stage, folder: Path) -> None:
    known = {way: snapshots(stage, definition(folder, way)) for way in sorted(set(WAYS), reverse=True)}
    stage.know(known[WAYS[0]])
    stage.tell()
    streams = Streams(stage.addresses["front"], OUTBOUND, build.SERVICE)
    with streams.flowing():
        for old, new in pairwise(WAYS):
            for offered in phases(known[old], known[new]):
                stage.know(offered)
                stage.tell()
                before = streams.answers.copy()
                until(lambda before=before: all(streams.answers[t] > before[t] for t in TARGETS))  # type: ignore[misc]
    assert streams.answers.keys() == set(TARGETS), streams.answers


def test_without_the_phases_requests_are_lost(stage: Stage, folder: Path) -> None:
    old, new = (snapshots(stage, definition(folder, way)) for way in ("plain", "validated"))
    stage.know(old)
    stage.tell()
    streams = Streams(stage.addresses["front"], OUTBOUND, build.SERVICE)
    with streams.flowing():
        bare = {c: compose(Phase.EXPAND, old[c].manifest, new[c].manifest) for c in HERE}
        stage.know({c: Snapshot(m, {**old[c].resources, **new[c].resources}) for c, m in bare.items()})
        stage.tell()
        until(lambda: streams.answers["503"] > 0)


def test_a_port_of_requests_becomes_one_of_connections_without_refusing_either(stage: Stage, folder: Path) -> None:
    known = {protocol: snapshots(stage, definition(folder, "plain", protocol)) for protocol in ("http", "tcp")}
    expand, shift, contract = phases(known["http"], known["tcp"])
    stage.know(expand)
    stage.tell()
    assert {stage.ask("front", build.SERVICE).by for _ in range(8)} == set(TARGETS)
    for offered in (shift, contract):
        stage.know(offered)
        stage.tell()
        assert {heard(stage) for _ in range(8)} == set(TARGETS)


def heard(stage: Stage) -> str:
    """Whose application answers on a connection: one of HTTP, as it was."""
    with connected(stage.addresses["front"], HTTP) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: colors.local\r\nConnection: close\r\n\r\n")
        said = b""
        while more := received(connection):
            said += more
    return next((name for name in TARGETS if f'"app": "{name}"'.encode() in said), "")
