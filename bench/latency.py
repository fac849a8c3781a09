"""latency: what our configuration adds to a request, beside stock Envoys configured by hand for the same topology.

The application is an Envoy that answers by itself. A way's added time is its median less the median of asking the
application directly, and the ratio is of those: it hides nothing behind what client and application take. All ways are
asked in turn, a few requests each, over one connection each, so that whatever else the machine does meets all of them.
Run it where nothing else runs: on two busy cores the ratios of latency are off by 0.1 and more; those of CPU are not.
"""

import socket
import ssl
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench import Figure, stock
from bench.stock import At
from isthmus.values import ALPN_H1
from tests import build
from tests.contract.envoy.asking import free_port, listens
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.feeding import Running
from tests.contract.envoy.stage import HTTP, OUTBOUND, Instance, Stage, inbound
from tests.until import until

WORLDS, ROUNDS, TURNS, WARMING = 5, 80, 10, 200
"""`TURNS` requests of each way, `ROUNDS` times, after `WARMING` of each that are not counted; all with new Envoys
`WORLDS` times, because one and the same Envoy may be 5 % quicker or slower than when it is started again."""

MUST = 1.1
NEAR, FAR = "near.local", "far.local"
WAYS = {
    "one": "one hop (client → server's sidecar)",
    "two": "two hops (sidecar → sidecar)",
    "gateway": "two hops with gateway (between clusters)",
}


class Took(NamedTuple):
    """Of each way, the microseconds of every request, and all the CPU's nanoseconds that its Envoys spent."""

    latency: dict[str, list[float]]
    spent: Counter[str]


def run() -> list[Figure]:
    """What each way adds, ours and by hand, in microseconds of latency and of CPU, and the ratios of both."""
    took = Took(defaultdict(list), Counter())
    for _ in range(WORLDS):
        with ways() as connected:
            ask(connected, took)
    median = {way: statistics.median(times) for way, times in took.latency.items()}
    requests = len(took.latency["direct"])
    figures = [Figure("latency: the application itself", round(median["direct"]), "µs", None, requests)]
    for way, words in WAYS.items():
        ours, theirs = (median[f"{way}/{whose}"] - median["direct"] for whose in ("ours", "stock"))
        mine, others = (took.spent[f"{way}/{whose}"] / requests / 1000 for whose in ("ours", "stock"))
        figures += [
            Figure(f"latency added by {words}", round(ours), "µs", None, requests),
            Figure("the same, stock Envoy configured by hand", round(theirs), "µs", None, requests),
            Figure(f"ratio of latency added, {words}", round(ours / theirs, 2), "×", MUST, requests),
            Figure(f"ratio of CPU spent, {words}", round(mine / others, 2), "×", MUST, requests),
        ]
    return figures


def ask(ways: Mapping[str, "Way"], took: Took) -> None:
    """A few requests of each way in turn, ours beside its like; there and back, so that none is always first."""
    for way in ways.values():
        for _ in range(WARMING):
            way.asking.ask()
    for number in range(ROUNDS):
        for name in sorted(ways, reverse=number % 2 == 1):
            before = _spent(ways[name])
            took.latency[name] += [ways[name].asking.ask() for _ in range(TURNS)]
            took.spent[name] += _spent(ways[name]) - before


def _spent(way: "Way") -> int:
    return sum(envoy.spent() for envoy in way.envoys)


class Asking:
    """One connection, on which one request after another is asked."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        self._connection = connection
        self._request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self._buffer = bytearray(65536)

    def ask(self) -> float:
        """Microseconds from the request to the last byte of its answer."""
        began = time.perf_counter()
        self._connection.sendall(self._request)
        got, end = 0, 0
        while not end or got < end:
            received = self._connection.recv_into(memoryview(self._buffer)[got:])
            assert received, "the connection was closed"
            got += received
            head = self._buffer.find(b"\r\n\r\n", 0, got)
            end = head + 4 + len(stock.BODY) if head >= 0 else 0
        took = (time.perf_counter() - began) * 1e6
        assert self._buffer.startswith(b"HTTP/1.1 200"), bytes(self._buffer[:200])
        return took


class Way(NamedTuple):
    """A connection, and the Envoys that requests on it pass."""

    asking: Asking
    envoys: Collection[Running] = ()


@contextmanager
def ways() -> Iterator[Mapping[str, Way]]:
    """A connection for each way, to Envoys that run meanwhile."""
    with ExitStack() as stack:
        stage = stack.enter_context(staged())
        answering = At(stage.addresses["near"], HTTP)
        asked = {"direct": Way(Asking(_plain(answering, stack), NEAR))}
        ours, stock_envoys = tuple(stage.envoys.values()), list[Running]()
        for way, at, host, context in _ours(stage):
            asked[way] = Way(Asking(_connected(at, context, stack), host), ours)
        for way, at, host, context in _stock(stage, answering, stack, stock_envoys):
            asked[way] = Way(Asking(_connected(at, context, stack), host), stock_envoys)
        yield asked


@contextmanager
def staged() -> Iterator[Stage]:
    """Our Envoys: a caller in east, one that it calls there and one in west, behind the gateway."""
    stage = Stage(Instance("front"), Instance("near", serving=False), Instance("far", "far", "west", serving=False))
    apps = [Running(stock.application(At(stage.addresses[name], HTTP))) for name in ("near", "far")]
    try:
        stage.apply(
            build.mesh(
                build.node("front", port=HTTP, backends=[NEAR, FAR]),
                *(build.node(name, port=HTTP) for name in ("near", "far")),
                build.service(NEAR, node="near"),
                build.service(FAR, node="far"),
                build.placement("near", "east"),
                build.placement("far", "west"),
                settings={"transport": "strict"},
            )
        )
        for name in ("near", "far"):
            until(partial(listens, stage.addresses[name], HTTP))
        yield stage
    finally:
        stage.stop()
        for app in apps:
            app.stop()


_Asked = tuple[str, At, str, ssl.SSLContext | None]


def _ours(stage: Stage) -> Iterator[_Asked]:
    front = At(stage.addresses["front"], OUTBOUND)
    east = stage.domains["east"]
    caller = east.leaf(f"spiffe://{east.name}/mesh/shop/node/front")
    yield "one/ours", At(stage.addresses["near"], inbound(HTTP)), NEAR, _mutual(caller, ALPN_H1)
    yield "two/ours", front, NEAR, None
    yield "gateway/ours", front, FAR, None


def _stock(stage: Stage, app: At, stack: ExitStack, running: list[Running]) -> Iterator[_Asked]:
    """The same places (addresses) at ports of their own; `running` is told the Envoys."""
    domain = Domain("stock.example")
    caller, serving = (domain.leaf(f"spiffe://{domain.name}/{name}") for name in ("client", "server"))
    to_server, to_gateway = (At(stage.addresses["front"], free_port()) for _ in range(2))
    server = At(stage.addresses["near"], free_port())
    gateway = At(stage.addresses["east-west/west"], free_port())
    proven = f"spiffe://{domain.name}/server"
    for made in (
        stock.server(server, app, serving, domain),
        stock.gateway(gateway, server),
        stock.client(to_server, server, caller, domain, proven),
        stock.client(to_gateway, gateway, caller, domain, proven),
    ):
        running.append(Running(made))
        stack.callback(running[-1].stop)
    yield "one/stock", server, NEAR, _mutual(caller, stock.ALPN["HTTP1"])
    yield "two/stock", to_server, NEAR, None
    yield "gateway/stock", to_gateway, FAR, None


def _connected(at: At, context: ssl.SSLContext | None, stack: ExitStack) -> socket.socket:
    connection = _plain(at, stack)
    if context is None:
        return connection
    return stack.enter_context(context.wrap_socket(connection, server_hostname=stock.NAMED))


def _plain(at: At, stack: ExitStack) -> socket.socket:
    until(partial(listens, *at))
    connection = stack.enter_context(socket.create_connection(at, timeout=10))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _mutual(own: tuple[bytes, bytes], alpn: str) -> ssl.SSLContext:
    """Shows who it is, and trusts anyone: the time that takes is not what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        for name, pem in zip(("leaf", "key"), own, strict=True):
            (Path(folder) / name).write_bytes(pem)
        context.load_cert_chain(Path(folder) / "leaf", Path(folder) / "key")
    return context
