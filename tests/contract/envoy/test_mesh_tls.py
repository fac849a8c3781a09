"""Attacks on the mesh's own mutual TLS, from both sides, in a cluster and through a gateway: none gets through.

Every table has good ones among the bad, which differ in what the bad ones are refused for, and pass.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from isthmus.values import mesh_label, service_id
from isthmus.wire import Sni
from isthmus.xds.endpoints import LocalInstance
from tests import build
from tests.contract.envoy.applications import App
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.impostors import Chain, Impostor, ask_as, ask_in_plaintext
from tests.contract.envoy.stage import EAST_WEST, HTTP, MESH_ID, Instance, Stage, inbound

OTHER = {"east": "west", "west": "east"}
WHERE = {"near": "east", "far": "west"}
"""Nodes, each in one cluster: `front` in east calls both, one of them through west's gateway."""

LONG_AGO = datetime.now(UTC) - timedelta(days=2)
PATIENT = {"outlierDetection": {
    "maxServerErrors": 1_000_000, "maxEjectionPercent": 0,
    "interval": {"unit": "s", "value": 10}, "baseEjectionDuration": {"unit": "s", "value": 1},
}}  # fmt: skip
"""A server that fails is asked again at once: the next case must be judged by itself."""


class World(Stage):
    """`near` and `far` have proxies; impostors stand where `false-near` and `false-far` are said to have theirs."""

    def __init__(self) -> None:
        real = [Instance(name, cluster=cluster) for name, cluster in WHERE.items()]
        false = [Instance(f"false-{n}", cluster=c, proxied=False, serving=False) for n, c in WHERE.items()]
        super().__init__(Instance("front"), *real, *false)

    def _local(self, instance: Instance) -> LocalInstance:
        made = super()._local(instance)
        return replace(made, ports={HTTP: inbound(HTTP)}) if instance.name.startswith("false-") else made

    def taken(self, node: str) -> int:
        """How many requests an application has got."""
        app = self.app(node)
        assert isinstance(app, App)
        return len(app.asked)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    nodes = {f"{kind}{node}": cluster for node, cluster in WHERE.items() for kind in ("", "false-")}
    try:
        world.apply(
            build.definition(
                *(build.attachment(cluster) for cluster in OTHER),
                build.node("front", port=HTTP, backends=[f"{node}.local" for node in nodes]),
                *(build.node(node, port=HTTP, listener=PATIENT) for node in nodes),
                *(build.service(f"{node}.local", node=node) for node in nodes),
                *(build.placement(node, cluster) for node, cluster in nodes.items()),
            )
        )
        yield world
        assert world.ads.refused == []
    finally:
        world.stop()


@pytest.fixture(scope="module")
def impostors(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Impostor]]:
    folder = tmp_path_factory.mktemp("impostors")
    made = {n: Impostor(f"false-{n}", world.addresses[f"false-{n}"], inbound(HTTP), folder) for n in WHERE}
    yield made
    for impostor in made.values():
        impostor.stop()


STRANGER = Domain("stranger.example")


def chain(world: World, who: str, node: str) -> Chain | None:
    """What somebody shows who says to be of `node`'s cluster: `SIGNER ID`, where OWN is of its domain."""
    signer, _, path = who.partition(" ")
    own, other = world.domains[WHERE[node]], world.domains[OTHER[WHERE[node]]]
    signed = {"own": own, "late": own, "other": other, "forged": other, "stranger": STRANGER, "posing": STRANGER}
    named = own.name if signer in ("forged", "posing") else signed[signer].name
    at = LONG_AGO if signer == "late" else None
    return signed[signer].leaf(f"spiffe://{named}/{path.format(node=f'false-{node}')}", at=at)


SERVERS = {
    "the node itself": ("own mesh/shop/node/{node}", True),
    "another node": ("own mesh/shop/node/front", False),
    "a gateway of that name": ("own mesh/shop/gateway/{node}", False),
    "another mesh's node of that name": ("own mesh/other/node/{node}", False),
    "no workload": ("own host/{node}", False),
    "the node itself, again": ("own mesh/shop/node/{node}", True),
    "a node of that name where it is not placed": ("other mesh/shop/node/{node}", False),
    "its name, signed by another cluster": ("forged mesh/shop/node/{node}", False),
    "a domain that is not trusted": ("stranger mesh/shop/node/{node}", False),
    "its name, signed by nobody we trust": ("posing mesh/shop/node/{node}", False),
    "expired": ("late mesh/shop/node/{node}", False),
    "no TLS": ("", False),
    "the node itself, after all": ("own mesh/shop/node/{node}", True),
}


@pytest.mark.parametrize("node", WHERE)
@pytest.mark.parametrize("server", SERVERS)
def test_a_client_speaks_to_the_node_that_it_means(
    world: World, impostors: Mapping[str, Impostor], server: str, node: str
) -> None:
    shown, good = SERVERS[server]
    impostor = impostors[node]
    impostor.show(chain(world, shown, node) if shown else None)
    before = len(impostor.asked)
    answer = world.ask("front", f"false-{node}.local", "/secret")
    assert (answer.by, b"/secret" in b"".join(impostor.asked[before:])) == (
        (f"false-{node}", True) if good else ("503", False)
    )


CLIENTS = {
    "a node of this mesh": ("own mesh/shop/node/anyone", "isthmus-h1", True),
    "another cluster's node": ("other mesh/shop/node/anyone", "isthmus-h1", True),
    "nobody": (None, "isthmus-h1", False),
    "another mesh's node": ("own mesh/other/node/front", "isthmus-h1", False),
    "a mesh whose name begins alike": ("own mesh/shop2/node/front", "isthmus-h1", False),
    "no workload": ("own host/front", "isthmus-h1", False),
    "more than a workload": ("own mesh/shop/node/front/more", "isthmus-h1", False),
    "a gateway of this mesh": ("own mesh/shop/gateway/anyone", "isthmus-h1", True),
    "its name, signed by another cluster": ("forged mesh/shop/node/front", "isthmus-h1", False),
    "a domain that is not trusted": ("stranger mesh/shop/node/front", "isthmus-h1", False),
    "its name, signed by nobody we trust": ("posing mesh/shop/node/front", "isthmus-h1", False),
    "expired": ("late mesh/shop/node/front", "isthmus-h1", False),
    "an application's own HTTP/2": ("own mesh/shop/node/front", "h2", False),
    "an application's own HTTP/1.1": ("own mesh/shop/node/front", "http/1.1", False),
    "connections, where requests are taken": ("own mesh/shop/node/front", "isthmus-tcp", False),
    "no protocol": ("own mesh/shop/node/front", None, False),
    "plaintext": ("plaintext", None, False),
    "a node of this mesh, after all": ("own mesh/shop/node/anyone", "isthmus-h1", True),
}


@pytest.mark.parametrize("node", WHERE)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_node_takes_requests_of_its_mesh_only(world: World, tmp_path: Path, client: str, node: str) -> None:
    shown, alpn, good = CLIENTS[client]
    direct = (world.addresses[node], inbound(HTTP))
    gateway = (world.addresses["east-west/west"], EAST_WEST)
    name = Sni(world.slot(node), HTTP, service_id(MESH_ID, node), mesh_label(MESH_ID)).text()
    for at in (direct, gateway) if node == "far" else (direct,):
        before = world.taken(node)
        if shown == "plaintext":
            answer = ask_in_plaintext(at)
        else:
            answer = ask_as(at, tmp_path, chain(world, shown, node) if shown else None, name=name, alpn=alpn)
        assert (answer.startswith(b"HTTP/1.1 200"), bool(answer)) == (good, good), at
        assert world.taken(node) - before == good, at
