"""Every change of a port's TLS, phase by phase: callers that connect anew in each hear no refusal."""

from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.xds.snapshot import Phase, Snapshot
from tests import build
from tests.contract.envoy.authorities import put
from tests.contract.envoy.flowing import phases
from tests.contract.envoy.stage import HERE, HTTP, Instance, Stage
from tests.contract.envoy.test_ports_served_both_ways import OURS, TARGETS

Json = Any
WAYS = ("plain", "strict", "validated", "permissive")
CALLERS = ("front", "bare")
"""One has a client policy wherever the port has TLS; the other has none, and no business with a port that validates."""


def definition(folder: Path, way: str) -> Definition:
    pair = {"file": {"certificateChain": str(folder / "pair.pem"), "privateKey": str(folder / "pair.key")}}
    trust = {"trust": {"file": {"certificateChain": str(folder / "ca.pem")}}}
    names = {"subjectAlternativeNames": {"match": {"exact": ["colors.example"]}}}
    mode = "PERMISSIVE" if way == "permissive" else "STRICT"
    tls = {"mode": mode, "certificate": pair} | ({"validation": trust} if way == "validated" else {})
    policy = {"backendDefaults": {"clientPolicy": {"tls": {"certificate": pair, "validation": trust | names}}}}
    backends = [{"virtualService": {"virtualServiceName": build.SERVICE}}]
    return build.definition(
        *(build.attachment(cluster) for cluster in HERE),
        build.document("VirtualNode", "front", {"backends": backends} | (policy if way != "plain" else {})),
        build.document("VirtualNode", "bare", {"backends": backends}),
        *(build.node(name, port=HTTP, listener={"tls": tls} if way != "plain" else {}) for name in TARGETS),
        *(build.placement(name, cluster) for name, cluster in TARGETS.items()),
        build.router(port=HTTP),
        build.route(targets=dict.fromkeys(TARGETS, 1)),
        build.service(router=build.ROUTER),
        settings={"transport": "strict"},
    )


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage(*(Instance(name) for name in CALLERS), Instance("near"), Instance("far", cluster="west"))
    try:
        yield made
        assert made.ads.refused == []
    finally:
        made.stop()


@pytest.fixture(scope="module")
def known(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Snapshot]]:
    """The snapshots of each way."""
    folder = tmp_path_factory.mktemp("tls")
    OURS.issue("colors.example").write(folder, "pair")
    put(folder / "ca.pem", OURS.pem)
    out = {}
    for way in WAYS:
        stage.apply(definition(folder, way))
        out[way] = dict(stage.snapshots)
    return out


@pytest.mark.parametrize(("old", "new"), list(permutations(WAYS, 2)), ids=lambda way: way)
def test_whoever_calls_anew_is_served_in_every_phase(
    stage: Stage, known: Mapping[str, Mapping[str, Snapshot]], old: str, new: str
) -> None:
    stage.know(known[old])
    stage.tell()
    calling = [who for who in CALLERS if who == "front" or "validated" not in (old, new)]
    for phase, offered in zip(Phase, phases(known[old], known[new]), strict=True):
        stage.know(offered)
        stage.tell()
        for who in calling:
            stage.kill(who)
        stage.start()
        heard = {who: {stage.ask(who, build.SERVICE).status for _ in range(6)} for who in calling}
        assert heard == {who: {200} for who in calling}, phase
