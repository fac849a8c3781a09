"""Real Envoys whose requests follow what DNS says: through a sidecar under a warden, and one of App Mesh's image."""

import asyncio
import shutil
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.agent.discovery import answers
from isthmus.model.definition import Definition
from isthmus.xds.aws_image import Capture
from tests import build
from tests.contract.agent.imaging import Customer, Keys, settings
from tests.contract.agent.rig import MESH, Joined, instance, until
from tests.contract.agent.sidecar import sidecar
from tests.contract.agent.test_aws_image_envoy import _of_image, running
from tests.contract.envoy.applications import App, Does, TcpApp
from tests.contract.envoy.asking import Answer, ask, free_port, received
from tests.nameserver import FAILS, GONE, NameServer, Says, serving
from tests.until import until as wait_until

FRONT, ONE, TWO, BOUND = "127.85.0.1", "127.85.0.2", "127.85.0.3", "127.85.0.4"
WEB, DB = "web.example", "db.example"
SERVICES = {WEB: "web.local", DB: "db.local"}


@dataclass
class Scene:
    """Applications at the same ports of several addresses, some of which DNS tells of; `front` calls them."""

    names: NameServer
    http: int = field(default_factory=free_port)
    tcp: int = field(default_factory=free_port)
    outbound: int = field(default_factory=free_port)
    inbound: int = field(default_factory=free_port)
    apps: dict[str, App | TcpApp] = field(default_factory=dict)

    def open(self) -> None:
        for name, at in (("one", ONE), ("two", TWO), ("bound", BOUND)):
            self.apps[name] = App(name, at, self.http)
            self.apps[f"{name}/tcp"] = TcpApp(name, at, self.tcp)

    def close(self) -> None:
        for app in self.apps.values():
            app.stop()

    def definition(self, response_type: str) -> Definition:
        found = {name: {"dns": {"hostname": name, "responseType": response_type}} for name in SERVICES}
        return build.mesh(
            build.node("front", port=self.http, backends=list(SERVICES.values())),
            build.node("web", port=self.http, serviceDiscovery=found[WEB]),
            build.node("db", port=self.tcp, protocol="tcp", serviceDiscovery=found[DB]),
            build.service(SERVICES[WEB], node="web"),
            build.service(SERVICES[DB], node="db"),
            build.binding("web"),
            targets={"web": 100},
        )

    def says(self, *addresses: str) -> None:
        """What DNS says of both names from now on."""
        self.names.says.update(dict.fromkeys(SERVICES, Says(addresses, ttl=0)))

    def ask(self, at: str = FRONT) -> Answer:
        return ask(at, self.outbound, SERVICES[WEB])

    def by(self) -> str:
        """Who answers; nobody while nobody listens."""
        try:
            return self.ask().by
        except OSError:
            return ""

    @contextmanager
    def calling(self) -> Iterator[Counter[str]]:
        """Who answered requests that are made one after the other while the block lasts."""
        by: Counter[str] = Counter()
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                by[self.ask().by] += 1

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield by
        finally:
            over.set()
            thread.join()

    async def reaches(self, app: str) -> None:
        """Until requests end at an application."""
        await asyncio.to_thread(wait_until, lambda: self.by() == app, 30)

    def asked_again(self, before: int) -> bool:
        """Whether DNS has been asked for one of the names since, and has been answered."""
        return self.names.count(WEB) > before + 1

    def connect(self) -> tuple[socket.socket, bytes]:
        """A connection to the other name, and who greets."""
        connection = socket.create_connection((FRONT, self.tcp), 10)
        return connection, received(connection)

    def greeted(self) -> bytes:
        """Who greets on a new connection."""
        connection, by = self.connect()
        connection.close()
        return by


@pytest.fixture
def scene() -> Iterator[Scene]:
    with serving({}) as names:
        made = Scene(names)
        made.open()
        yield made
        made.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path that is gone after the test: sockets are in it."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def shop(joined: Joined, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Joined:
    monkeypatch.setattr(answers, "SOONEST", 0.1)
    joined.agent.list(*_listed(scene))
    joined.offer(scene.definition("ENDPOINTS"))
    joined.rig.feed.export(joined.place, MESH, [])
    return joined


def _listed(scene: Scene, *more: Any) -> tuple[Any, ...]:  # noqa: ANN401 - JSON
    front = instance("front", address=FRONT, ports={scene.http: scene.inbound}, outbound=scene.outbound)
    return (front, *more)


async def test_requests_follow_dns_and_go_on_while_it_fails(shop: Joined, scene: Scene, home: Path) -> None:
    scene.says(ONE)
    async with shop.agent.run(dns_server=scene.names.address), sidecar(shop.agent, home):
        await scene.reaches("one")
        with scene.calling() as by:
            scene.says(TWO)
            await scene.reaches("two")
            for failing in (FAILS, GONE):
                scene.names.says.update(dict.fromkeys(SERVICES, failing))
                await until(partial(scene.asked_again, scene.names.count(WEB)), "it has been asked and has failed")
                assert (await asyncio.to_thread(scene.ask)).by == "two"
            scene.says(ONE, TWO)
            seen = Counter(by)
            await until(lambda: (by - seen).keys() == {"one", "two"}, "each address is an instance")
            bound = instance("web", address=BOUND, ports={})
            shop.agent.list(*_listed(scene, bound))
            await scene.reaches("bound")
            seen = Counter(by)
            await until(lambda: (by - seen)["bound"] > 20, "it goes before the name")
            assert (by - seen).keys() == {"bound"}
            shop.agent.list(*_listed(scene))
            await until(lambda: (by - seen).keys() == {"bound", "one", "two"}, "and makes way for it again")
        assert by.keys() == {"one", "two", "bound"}, "no request failed"


async def test_what_is_under_way_stays_when_a_load_balancer_moves(shop: Joined, scene: Scene, home: Path) -> None:
    shop.offer(scene.definition("LOADBALANCER"), revision=2)
    scene.says(ONE)
    one = scene.apps["one"]
    async with shop.agent.run(dns_server=scene.names.address), sidecar(shop.agent, home):
        await scene.reaches("one")
        before = len(one.asked)
        one.then(Does(hangs=True))
        waiting = asyncio.create_task(asyncio.to_thread(scene.ask))
        await until(lambda: len(one.asked) >= before + 1, "a request is under way")
        connection, by = await asyncio.to_thread(scene.connect)
        assert by == b"one\n"
        with connection:
            scene.says(TWO)
            await scene.reaches("two")
            connection.sendall(b"still there?")
            assert await asyncio.to_thread(received, connection) == b"still there?"
            await asyncio.to_thread(wait_until, lambda: scene.greeted() == b"two\n")
            one.forget()
            assert (await waiting).by == "one"
            connection.sendall(b"and now?")
            assert await asyncio.to_thread(received, connection) == b"and now?"


async def test_an_envoy_of_app_meshs_image_follows_dns_too(shop: Joined, scene: Scene, tmp_path: Path) -> None:
    scene.says(ONE)
    customer, keys = Customer(tmp_path), Keys()
    where = settings(customer, keys, capture=Capture(FRONT, scene.http, scene.outbound))
    shop.agent.list()
    async with shop.agent.run(aws_image=where, dns_server=scene.names.address), running(_of_image(where, customer)):
        await scene.reaches("one")
        scene.says(TWO)
        await scene.reaches("two")
