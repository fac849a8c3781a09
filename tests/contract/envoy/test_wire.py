"""The wire contract at real Envoys: which names a gateway lets in, in which version, and what may be said inside.

Versions that are to come are these tests' own (tests/unit/test_wire.py).
"""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import create_connection

import pytest

from isthmus.model.definition import Definition
from isthmus.values import ALPN_H1, ALPN_H2, ALPN_TCP, mesh_label, service_id
from isthmus.wire import V1, VERSIONS, Sni, Version
from isthmus.xds import east_west
from isthmus.xds.endpoints import RemoteCluster
from isthmus.xds.localise import bound
from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.contract.envoy.stage import EAST_WEST, HERE, HTTP, MESH_ID, TCP, Instance, Stage, inbound
from tests.unit.test_wire import V2, V3
from tests.until import until

LONG = "n" * 255
NODES = {"upper.local": "Foo", "lower.local": "foo", "long.local": LONG}
GATEWAY = "east-west/west"


class World(Stage):
    """`front` in east; two nodes in west whose names differ in case only, and one with the longest name there is.

    `versions` are those of west's gateway, and `spoken` is the one in which east asks it.
    """

    versions: Sequence[Version] = VERSIONS
    spoken: Version = V1

    def __init__(self) -> None:
        there = [Instance(f"one-{n}", node, "west") for n, node in enumerate(NODES.values())]
        super().__init__(Instance("front"), *there)

    def speak(self, spoken: Version, versions: Sequence[Version]) -> None:
        """Until all Envoys do."""
        self.spoken, self.versions = spoken, versions
        self.tell()

    def resources(self, proxy: str) -> list[Resource]:
        """As composed, but the gateway's of other versions."""
        told = super().resources(proxy)
        if proxy != GATEWAY:
            return told
        facts = self._directories["west"].facts
        listener = east_west.merged([east_west.listener(facts.label, facts.suffix, self.versions)])
        backends = east_west.backends(self._locals("west"), self._directories["west"], HERE["west"], self.versions)
        kept = [r for r in told if r.type not in (Type.LISTENER, Type.CLUSTER)]
        return [*kept, *backends, bound(listener, self.addresses[GATEWAY], EAST_WEST)]

    def _remote(self, cluster: str) -> RemoteCluster:
        return replace(super()._remote(cluster), spoken=self.spoken)

    def name(self, node: str = "Foo", port: int = HTTP) -> Sni:
        """What the one instance of a node is asked for by."""
        (instance,) = (i.name for i in self.instances.values() if i.of == node)
        return Sni(self.slot(instance), port, service_id(MESH_ID, node), mesh_label(MESH_ID))


def definition() -> Definition:
    return build.mesh(
        build.node("front", port=HTTP, backends=list(NODES)),
        *(build.node(node, ports={HTTP: "http", TCP: "tcp"}) for node in NODES.values()),
        *(build.router(f"r{n}", port=HTTP) for n in range(len(NODES))),
        *(build.route(f"x{n}", router=f"r{n}", targets=[_to(node)]) for n, node in enumerate(NODES.values())),
        *(build.service(service, router=f"r{n}") for n, service in enumerate(NODES)),
        *(build.placement(node, "west") for node in NODES.values()),
        settings={"transport": "strict"},
    )


def _to(node: str) -> dict[str, object]:
    return {"virtualNode": node, "weight": 1, "port": HTTP}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    try:
        made.apply(definition())
        yield made
        assert made.ads.refused == []
    finally:
        made.stop()


def test_names_that_differ_in_case_only_and_the_longest_name_each_reach_their_own(world: World) -> None:
    for service, node in NODES.items():
        (instance,) = (i.name for i in world.instances.values() if i.of == node)
        assert world.ask("front", service).by == instance


VERSIONED = [
    ((V2, V1), {V1: True, V2: True, V3: False}),
    ((V3, V2, V1), {V1: False, V2: True, V3: True}),
    ((V1,), {V1: True, V2: False, V3: False}),
]


@pytest.mark.parametrize(("versions", "let_in"), VERSIONED, ids=["n is 2", "n is 3", "n is 1"])
def test_a_gateway_lets_in_its_own_version_and_the_one_before(
    world: World, *, versions: Sequence[Version], let_in: dict[Version, bool]
) -> None:
    for spoken, expected in let_in.items():
        world.speak(spoken, versions)
        until(partial(_answers, world, expected))
        assert bool(_tls(world, world.name().text(version=spoken), ALPN_H1)) == expected
        assert not _tls(world, world.name().text().replace(".v1.", ".v0."), ALPN_H1)


def _answers(world: World, expected: bool) -> bool:  # noqa: FBT001 - partial
    """Whether requests through a sidecar reach the instance, or none does."""
    return {world.ask("front", "upper.local").status for _ in range(3)} == {200 if expected else 503}


def _tls(world: World, name: str, alpn: str) -> bool:
    """Whether something behind the gateway answers the greeting."""
    try:
        with closing(_connected(world, GATEWAY, name, [alpn], None)):
            return True
    except (ssl.SSLError, ConnectionError):
        return False


H1_WORDS = b"GET / HTTP/1.1\r\nHost: upper.local\r\n\r\n"
H2_WORDS = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    b"\0\0\0\4\0\0\0\0\0"  # SETTINGS, none
    b"\0\0\x10\1\5\0\0\0\1\x82\x86\x84\x41\x0bupper.local"  # HEADERS: GET http / upper.local
)
TABLE = [
    (HTTP, [ALPN_H1], H1_WORDS, True),
    (HTTP, [ALPN_H2], H2_WORDS, True),
    (TCP, [ALPN_TCP], b"hello", True),
    (HTTP, [ALPN_H2], H1_WORDS, False),
    (HTTP, [ALPN_H1], H2_WORDS, False),
    (HTTP, [ALPN_TCP], H1_WORDS, False),
    (TCP, [ALPN_H1], H1_WORDS, False),
    (TCP, [ALPN_H2], H2_WORDS, False),
    (TCP, ["h2"], b"hello", False),
    (HTTP, ["http/1.1"], H1_WORDS, False),
    (TCP, ["http/1.1"], b"hello", False),
    (HTTP, [], H1_WORDS, False),
    (TCP, [], b"hello", False),
    (HTTP, ["isthmus-h3"], H1_WORDS, False),
    (HTTP, ["http/1.1", ALPN_H1], H1_WORDS, True),
]
"""A port, what is offered, what is said then, and whether it is answered."""


def _named(row: tuple[int, Sequence[str], bytes, bool]) -> str:
    """Without the port, which is another in every process."""
    port, offered, words, _ = row
    said = {H1_WORDS: "HTTP/1.1", H2_WORDS: "HTTP/2"}.get(words, "bytes")
    return f"{said} in {'+'.join(offered) or 'nothing'} to {'tcp' if port == TCP else 'http'}"


@pytest.mark.parametrize("through", ["the instance", "the gateway"])
@pytest.mark.parametrize(("port", "offered", "words", "answered"), TABLE, ids=map(_named, TABLE))
def test_each_protocol_of_the_mesh_carries_what_it_says_and_nothing_else(
    world: World, tmp_path: Path, through: str, port: int, offered: Sequence[str], words: bytes, *, answered: bool
) -> None:
    world.speak(V1, (V1,))
    at = GATEWAY if through == "the gateway" else "one-0"
    said = _said(world, at, world.name(port=port).text(), offered, words, tmp_path)
    assert (b"one-0" in said) == answered, said


def _said(world: World, at: str, name: str, alpn: Sequence[str], words: bytes, folder: Path) -> bytes:
    """All that is answered until the other side is done, or has nothing to add."""
    east, said = world.domains["east"], b""
    chain = east.leaf(f"spiffe://{east.name}/mesh/shop/node/front")
    for name_of, pem in zip(("leaf", "key"), chain, strict=True):
        (folder / name_of).write_bytes(pem)
    try:
        with closing(_connected(world, at, name, alpn, folder)) as connection:
            connection.sendall(words)
            while not said.endswith(b"}") and (got := connection.recv(65536)):
                said += got
                if b"one-0" in said:
                    break
    except (ssl.SSLError, ConnectionError):
        pass
    return said


def _connected(world: World, at: str, name: str, alpn: Sequence[str], folder: Path | None) -> ssl.SSLSocket:
    """TLS that trusts anyone: what it is told, and by whom, is not what these tests are about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if folder is not None:
        context.load_cert_chain(folder / "leaf", folder / "key")
    port = EAST_WEST if at == GATEWAY else inbound(int(name.split(".")[1]))
    raw = create_connection((world.addresses[at], port), timeout=10)
    try:
        return context.wrap_socket(raw, server_hostname=name)
    except BaseException:
        raw.close()
        raise
