"""Mutual TLS by itself: per endpoint, per node, and never back, in a cluster and across, with nobody noticing."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from isthmus.model.definition import Definition
from isthmus.xds.endpoints import LocalInstance
from tests import build
from tests.contract.envoy.asking import Answer
from tests.contract.envoy.stage import DOOR, HTTP, Door, Instance, Stage
from tests.until import until

NODES = {"bare": "east", "new": "east", "checked": "east", "far": "west", "far-bare": "west"}
"""Where they run. `bare` and `far-bare` have no proxy; that of the others may or may not have been seen."""

CHECK = {"healthCheck": {
    "protocol": "http", "path": "/", "healthyThreshold": 2, "unhealthyThreshold": 2, "timeoutMillis": 2000,
    "intervalMillis": 5000,
}}  # fmt: skip


class World(Stage):
    """`seen`: the instances whose proxies have been seen, so that others reach them through these."""

    def __init__(self) -> None:
        self.seen = {"front", "far"}
        self.arriving: set[str] = set()
        named = [Instance(n, cluster=c, proxied=not n.endswith("bare")) for n, c in NODES.items()]
        super().__init__(Instance("front"), *named, doors=[Door("ingress")])

    def _locals(self, cluster: str) -> list[LocalInstance]:
        return [self._as_seen(each) for each in super()._locals(cluster)]

    def _as_seen(self, instance: LocalInstance) -> LocalInstance:
        if instance.name not in self.seen:
            return replace(instance, ports={})
        return replace(instance, arriving=frozenset(instance.ports)) if instance.name in self.arriving else instance

    def get(self, node: str) -> Answer:
        """Of the application in east."""
        return self.ask("front", f"{node}.local", "/", "POST", body=b"once")


def definition(mesh: str = "permissive", **own: str) -> Definition:
    """`front` and `ingress`, in east, may call all others; `own`: nodes that say themselves how."""
    checked = {"checked": CHECK}
    return build.definition(
        *(build.attachment(cluster) for cluster in ("east", "west")),
        build.node("front", port=HTTP, backends=[f"{node}.local" for node in NODES]),
        *(build.node(node, port=HTTP, listener=checked.get(node)) for node in NODES),
        *(build.service(f"{node}.local", node=node) for node in NODES),
        *(build.placement(node, cluster) for node, cluster in NODES.items()),
        *(build.transport(node.replace("_", "-"), mode) for node, mode in own.items()),
        build.gateway(port=DOOR),
        *(build.gateway_route(node, service=f"{node}.local", prefix=f"/{node}") for node in NODES),
        settings={"transport": mesh},
    )


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    try:
        world.apply(definition())
        yield world
        assert world.ads.refused == []
    finally:
        world.stop()


def transport(answer: Answer) -> str:
    """How a request came to who answered."""
    if answer.status != 200:
        return str(answer.status)
    return "mutual" if "x-forwarded-client-cert" in answer.said["headers"] else "plaintext"


@pytest.mark.parametrize(
    ("mesh", "own", "expected"),
    [
        ("permissive", {}, {"bare": "plaintext", "far": "mutual", "far-bare": "503"}),
        ("permissive", {"bare": "strict", "far": "strict"}, {"bare": "503", "far": "mutual", "far-bare": "503"}),
        ("strict", {}, {"bare": "503", "far": "mutual", "far-bare": "503"}),
        ("strict", {"bare": "permissive"}, {"bare": "plaintext", "far": "mutual", "far-bare": "503"}),
        (
            "strict",
            {"far": "permissive", "far_bare": "permissive"},
            {"bare": "503", "far": "mutual", "far-bare": "503"},
        ),
    ],
    ids=[
        "a permissive mesh",
        "strict nodes in it",
        "a strict mesh",
        "a permissive node in it",
        "nothing without a proxy is called from elsewhere, whatever it says",
    ],
)
def test_the_called_node_says_how_it_is_called(
    world: World, mesh: str, own: dict[str, str], expected: dict[str, str]
) -> None:
    world.apply(definition(mesh, **own))
    for node, how in expected.items():
        until(lambda: transport(world.get(node)) == how)  # noqa: B023 - asked at once
        until(lambda: transport(world.enter("any.example", f"/{node}")) == how)  # noqa: B023


@contextmanager
def asked_all_the_time(world: World, node: str) -> Iterator[Counter[str]]:
    """How `node` was reached while the block lasts, by four callers at once."""
    counted: Counter[str] = Counter()
    over = threading.Event()

    def caller() -> None:
        while not over.is_set():
            counted[transport(world.get(node))] += 1

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for each in callers:
        each.start()
    try:
        yield counted
    finally:
        over.set()
        for each in callers:
            each.join()


@pytest.mark.parametrize("node", ["new", "checked"])
def test_nobody_notices_when_a_proxy_is_seen_for_the_first_time(world: World, node: str) -> None:
    world.apply(definition())
    until(lambda: transport(world.get(node)) == "plaintext")
    with asked_all_the_time(world, node) as counted:
        until(lambda: counted["plaintext"] >= 50)
        world.seen.add(node)
        world.arriving.add(node)
        world.tell()
        until(lambda: counted["mutual"] >= 50)
        world.arriving.clear()
        world.tell()
        before = counted["mutual"]
        until(lambda: counted["mutual"] >= before + 50)
    assert set(counted) == {"plaintext", "mutual"}, counted
    assert transport(world.get(node)) == "mutual"


def test_what_was_seen_fails_while_its_proxy_is_gone_and_is_not_called_in_plaintext(world: World) -> None:
    world.seen.add("new")
    world.apply(definition())
    world.tell()
    until(lambda: transport(world.get("new")) == "mutual")
    world.kill("new")
    try:
        before = len(world.app("new").asked)
        assert {transport(world.get("new")) for _ in range(5)} == {"503"}
        assert len(world.app("new").asked) == before
    finally:
        world.start()
    until(lambda: transport(world.get("new")) == "mutual")
