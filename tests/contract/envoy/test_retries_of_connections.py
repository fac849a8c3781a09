"""Retries of what is no answer: nobody listens, a stream is refused, a connection breaks off.

Between two proxies such things do not come from the application, whose own proxy answers 503 for it. So they are shown
by instances without a proxy, which callers reach in plaintext, and by a proxy that is gone from its host. Each test has
a node of its own, for its instance will be left alone for a while.
"""

import socketserver
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from isthmus.model.definition import Definition
from tests import build
from tests.contract.envoy.applications import RESETS
from tests.contract.envoy.asking import Answer
from tests.contract.envoy.stage import HTTP, HTTP2, Instance, Stage

Json = Any
PLAIN = ("nobody", "nobody-tried", "breaking", "breaking-tried")
REFUSING = ("refusing", "refusing-tried")
GONE = ("gone", "gone-tried")
TRIED = {"httpRetryEvents": ["stream-error"]}, {"tcpRetryEvents": ["connection-error"]}


class Refusing(socketserver.ThreadingTCPServer):
    """HTTP/2 by hand: refuses the first stream, answers every other with 200 (RFC 9113 §4.1, §8.7; RFC 7541 A)."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str) -> None:
        super().__init__((address, HTTP2), _Refuse)
        self.streams = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


SETTINGS, HEADERS, RST_STREAM = 4, 1, 3
ACK, END = 1, 5
REFUSED_STREAM, STATUS_200 = struct.pack(">I", 7), b"\x88"


class _Refuse(socketserver.StreamRequestHandler):
    server: Refusing

    def handle(self) -> None:
        self.rfile.read(24)  # the preface
        self._send(SETTINGS)
        while head := self.rfile.read(9):
            length, kind, flags, stream = int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:])
            self.rfile.read(length)
            if kind == SETTINGS and not flags & ACK:
                self._send(SETTINGS, ACK)
            if kind == HEADERS:
                self.server.streams += 1
                refuse = self.server.streams == 1
                self._send(*((RST_STREAM, 0, stream, REFUSED_STREAM) if refuse else (HEADERS, END, stream, STATUS_200)))

    def _send(self, kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> None:
        self.wfile.write(
            struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload
        )


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Plain instances in east, where callers reach them directly; those that will be gone in either cluster."""
    plain = [Instance(n, proxied=False, serving=n.startswith("breaking")) for n in (*PLAIN, *REFUSING)]
    gone = [Instance(f"{n}-{c}", f"{n}-{c}", c) for n in GONE for c in ("east", "west")]
    stage = Stage(Instance("front"), *plain, *gone)
    refusing = [Refusing(stage.addresses[name]) for name in REFUSING]
    try:
        stage.apply(definition(stage))
        for instance in gone:
            stage.kill(instance.name)
        yield stage
    finally:
        stage.stop()
        for each in refusing:
            each.stop()


def definition(stage: Stage) -> Definition:
    """A service for each node, whose policy tries once more for what its test is about, or for something else.

    Where no connection comes about there is nothing else: `reset`, which comes with any HTTP event, is that as well.
    """
    made = [build.attachment("east"), build.attachment("west")]
    nodes = [i for i in stage.instances.values() if i.name != "front"]
    made.append(build.node("front", port=HTTP, backends=[f"{i.of}.local" for i in nodes]))
    for instance in nodes:
        name, protocol = instance.of, "http2" if instance.of in REFUSING else "http"
        of_streams, of_connections = TRIED
        by_connection = name.startswith(("nobody", "gone"))
        right, wrong = (of_connections, of_streams) if by_connection else (of_streams, of_connections)
        times = 0 if by_connection and "tried" not in name else 1
        policy = right if by_connection or "tried" in name else wrong
        made += [
            build.node(name, port=HTTP2 if protocol == "http2" else HTTP, protocol=protocol),
            build.placement(name, instance.cluster),
            build.service(f"{name}.local", router=name),
            build.router(name, port=HTTP2 if protocol == "http2" else HTTP, protocol=protocol),
            build.route(
                router=name,
                protocol=protocol,
                targets={name: 1},
                retryPolicy={"maxRetries": times, "perRetryTimeout": {"unit": "s", "value": 5}} | policy,
            ),
        ]
    return build.definition(*made, settings={"transport": "permissive"})


def retried(stage: Stage, node: str, port: int) -> tuple[Answer, int]:
    """The answer to the first request of a node, and how often it was tried again."""
    answer = stage.ask("front", f"{node}.local")
    return answer, stage.envoys["front"].stats("upstream_rq_retry$")[f"cluster.node/{node}/{port}.upstream_rq_retry"]


def test_nobody_listens(stage: Stage) -> None:
    for node, again in (("nobody", 0), ("nobody-tried", 1)):
        answer, tries = retried(stage, node, HTTP)
        assert (answer.status, tries) == (503, again), node


@pytest.mark.parametrize("where", ["east", "west"], ids=["in the same cluster", "in another cluster"])
def test_a_proxy_is_gone(stage: Stage, where: str) -> None:
    """In another cluster it is the gateway that finds nobody, and all that the caller sees is a broken handshake."""
    for node, again in (("gone", 0), ("gone-tried", 1)):
        answer, tries = retried(stage, f"{node}-{where}", HTTP)
        assert (answer.status, tries) == (503, again), node


def test_a_stream_is_refused(stage: Stage) -> None:
    assert [(a.status, n) for a, n in (retried(stage, node, HTTP2) for node in REFUSING)] == [(503, 0), (200, 1)]


def test_a_connection_breaks_off(stage: Stage) -> None:
    """`reset` comes with any HTTP event, as App Mesh had it."""
    for node, status, again in (("breaking", 503, 0), ("breaking-tried", 200, 1)):
        stage.app(node).then(RESETS)
        answer, tries = retried(stage, node, HTTP)
        assert (answer.status, tries, len(stage.app(node).asked)) == (status, again, again + 1), node
