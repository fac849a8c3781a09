"""Meshes by chance: gRPC's own client takes all that it is told of each, and lives.

C-core ends with its application over changes that it should refuse (docs/decisions/017), so one process goes through
all of them; every service of every node is asked for. A mesh that fails is made again by `tests.drawing.meshes.mesh`.
"""

from collections.abc import Iterator, Mapping

import pytest

from isthmus.xds.compile import compile_mesh
from isthmus.xds.proxyless import ANY_PORT
from isthmus.xds.snapshot import Resource, Snapshot, Type
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.proxyless import Host
from tests.drawing.meshes import mesh
from tests.golden import without_proxy
from tests.golden.cases import surroundings
from tests.until import until

MESHES, FIRST = 25, 0
TARGETS = 4
"""Of each node: a new target costs a stream and a wait."""


class Drawn:
    """One mesh after another, as if their nodes had instances."""

    def __init__(self) -> None:
        self.domains = {cluster: Domain(f"{cluster}-1.acme.isthmus.internal") for cluster in ("east", "west")}
        self.snapshot = Snapshot.of({})

    def draw(self, seed: int) -> list[str]:
        """The nodes of a mesh that may run in east."""
        self.snapshot = compile_mesh(mesh(seed), surroundings(), "east").snapshot
        return [
            v.partition("/")[2].removesuffix("@1.40") for v in self.snapshot.manifest.views if v.startswith("node/")
        ]

    def calling(self, cluster: str, node: str) -> tuple[list[Resource], Mapping[str, Resource]]:
        assert cluster == "east"
        return without_proxy.view(self.snapshot, node), without_proxy.found(self.snapshot)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return Drawn()


@pytest.fixture(scope="module")
def host(drawn: Drawn) -> Iterator[Host]:
    """Told of a mesh before its application starts."""
    node = next(node for seed in range(FIRST, FIRST + MESHES) for node in drawn.draw(seed))
    made = Host(drawn, node)
    try:
        made.tell()
        yield made
    finally:
        made.stop()


def test_every_drawn_mesh_is_taken_by_grpc(drawn: Drawn, host: Host) -> None:
    client, asked, clusters = host.client(), 0, 0
    for seed in range(FIRST, FIRST + MESHES):
        for node in drawn.draw(seed)[:2]:
            host.node = node
            definition = host.offer()
            told = host.told
            listed = [r.name for r in told if r.type == Type.LISTENER and r.name.isascii()]
            for name in listed[:TARGETS]:
                assert client.call(f"xds:///{name.removesuffix(ANY_PORT)}", seconds=0.05).code != "OK"
                asked += 1
            if host.report().connected:
                until(lambda definition=definition: host.report().acked == definition or host.report().nacks, 30)  # type: ignore[misc]
            assert not host.report().nacks, (seed, node, host.report())
            clusters += sum(r.type == Type.CLUSTER for r in told)
    print(f"meshes={MESHES} first={FIRST} targets={asked} clusters={clusters}")  # noqa: T201 - counts belong into the log
    assert asked > MESHES
