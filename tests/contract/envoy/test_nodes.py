"""What a node says of its listeners: protocols and ports, when its instances are left alone, how much they take."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from isthmus.model.definition import Definition
from tests import build
from tests.contract.envoy.applications import HANGS, Does
from tests.contract.envoy.scenes import Call, Request, scene
from tests.contract.envoy.stage import GRPC, HTTP, HTTP2, Application, Instance, Stage
from tests.until import until

Json = Any
SERVICES = {"http": (HTTP, "http.local"), "http2": (HTTP2, "http2.local"), "grpc": (GRPC, "grpc.local")}


def test_a_node_serves_each_of_its_ports_by_its_protocol(stage: Stage, where: str) -> None:
    blue = build.node("blue", ports={HTTP: "http", HTTP2: "http2", GRPC: "grpc"})
    front = build.node("front", port=HTTP, backends=[name for _, name in SERVICES.values()])
    made = [
        each
        for protocol, (port, name) in SERVICES.items()
        for each in (
            build.service(name, router=protocol),
            build.router(protocol, port=port, protocol=protocol),
            build.route(
                router=protocol, protocol=protocol, targets=[{"virtualNode": "blue", "weight": 1, "port": port}]
            ),
        )
    ]
    stage.apply(scene(where, front, blue, *made))
    one, two = (Request(host=SERVICES[p][1]).sent(stage).said for p in ("http", "http2"))
    three = Call(host="grpc.local").sent(stage).said
    assert [said["port"] for said in (one, two, three)] == [HTTP, HTTP2, GRPC]
    assert ("x-spoken" in one["headers"], two["headers"].get("x-spoken")) == (False, "HTTP/2")


@pytest.fixture(scope="module")
def pair() -> Iterator[Stage]:
    """Two instances of `blue` in each cluster, in a stage of their own: they will be left alone for a while."""
    blues = [Instance(f"blue-{c}-{n}", "blue", c) for c in ("east", "west") for n in (1, 2)]
    stage = Stage(Instance("front"), *blues)
    try:
        yield stage
    finally:
        stage.stop()


def ejecting(where: str, **outlier: Json) -> Definition:
    """Retries are off, so that callers see what comes."""
    said = {
        "maxServerErrors": 3,
        "interval": {"unit": "ms", "value": 20},
        "baseEjectionDuration": {"unit": "s", "value": 1},
        "maxEjectionPercent": 100,
    }
    never = {"maxRetries": 0, "perRetryTimeout": {"unit": "s", "value": 1}, "httpRetryEvents": ["server-error"]}
    blue = build.node("blue", port=HTTP, listener={"outlierDetection": said | outlier} if outlier else {})
    return scene(where, blue, build.route(targets={"blue": 1}, retryPolicy=never))


def test_callers_leave_an_instance_alone_after_as_many_errors_as_it_declares_and_come_back(
    pair: Stage, where: str
) -> None:
    pair.apply(ejecting(where, maxServerErrors=3))
    failing = pair.app(f"blue-{where}-1")
    failing.always = Does(500)
    until(lambda: one_is_left_alone(pair))
    assert len(failing.asked) == 3
    assert Counter(Request().sent(pair).by for _ in range(6)) == {f"blue-{where}-2": 6}
    failing.forget()
    until(lambda: Request().sent(pair).by == f"blue-{where}-1")


def test_without_that_an_applications_errors_are_its_own(pair: Stage, where: str) -> None:
    pair.apply(ejecting(where))
    failing = pair.app(f"blue-{where}-1")
    failing.always = Does(500)
    assert Counter(Request().sent(pair).by for _ in range(20)) == {f"blue-{where}-1": 10, f"blue-{where}-2": 10}
    assert Counter(asked_status(pair) for _ in range(20)) == {500: 10, 200: 10}
    failing.forget()


def asked_status(stage: Stage) -> int:
    return Request().sent(stage).status


def one_is_left_alone(stage: Stage) -> bool:
    """After another request."""
    Request().sent(stage)
    return ejected(stage) == 1


def ejected(stage: Stage) -> int:
    """How many instances of `blue` the caller's Envoy leaves alone."""
    listed = stage.envoys["front"].stats("outlier_detection.ejections_active")
    return sum(count for name, count in listed.items() if "node/blue" in name)


def test_no_more_instances_are_left_alone_than_the_percentage(pair: Stage, where: str) -> None:
    """Both fail; half of them may be ejected, so one goes on being asked."""
    pair.apply(ejecting(where, maxEjectionPercent=50, baseEjectionDuration={"unit": "s", "value": 2}))
    apps = [pair.app(f"blue-{where}-{n}") for n in (1, 2)]
    for app in apps:
        app.always = Does(500)
    until(lambda: one_is_left_alone(pair))
    assert {Request().sent(pair).status for _ in range(12)} == {500}
    assert ejected(pair) == 1
    for app in apps:
        app.forget()


POOLS: dict[str, tuple[str, Json, int]] = {
    "one connection and one in waiting": ("http", {"http": {"maxConnections": 1, "maxPendingRequests": 1}}, 2),
    "two connections and one in waiting": ("http", {"http": {"maxConnections": 2, "maxPendingRequests": 1}}, 3),
    "two requests over HTTP/2": ("http2", {"http2": {"maxRequests": 2}}, 2),
    "two calls": ("grpc", {"grpc": {"maxRequests": 2}}, 2),
}
PORTS = {"http": HTTP, "http2": HTTP2, "grpc": GRPC}
AT_ONCE = 6


@pytest.mark.parametrize(("protocol", "pool", "taken"), POOLS.values(), ids=POOLS)
def test_an_instance_takes_as_much_at_once_as_its_pool_allows(
    stage: Stage, where: str, protocol: str, pool: Json, taken: int
) -> None:
    """The rest is refused at once, while those that it takes are still waiting; without a pool it takes all."""
    assert refused_of(stage, where, protocol, {"connectionPool": pool}) == AT_ONCE - taken
    assert refused_of(stage, where, protocol, {}) == 0


def refused_of(stage: Stage, where: str, protocol: str, listener: Json) -> int:
    """Of requests that come while none has been answered, how many the instance's proxy turns away.

    One comes after the other has arrived, for a request that waits for its connection to open waits like any other.
    """
    never = {"maxRetries": 0, "perRetryTimeout": {"unit": "s", "value": 9}, "httpRetryEvents": ["server-error"]}
    blue = build.node("blue", port=PORTS[protocol], protocol=protocol, listener=listener)
    one = build.route(targets={"blue": 1}, protocol=protocol, retryPolicy=never)
    stage.apply(scene(where, blue, one, protocol=protocol))
    app, proxy = stage.app(f"blue-{where}", PORTS[protocol]), stage.envoys[f"blue-{where}"]
    waiting = f"cluster.app/{PORTS[protocol]}.upstream_rq_pending_active"
    answers: list[Future[int | str]] = []

    def arrived() -> bool:
        turned_away = sum(answer.done() for answer in answers)
        return len(app.asked) + proxy.stats(waiting)[waiting] + turned_away == len(answers)

    with hanging(app), ThreadPoolExecutor(AT_ONCE) as callers:
        for _ in range(AT_ONCE):
            answers.append(callers.submit(outcome, stage, protocol))
            until(arrived, every=0.005)
        app.forget()
        ended = Counter(answer.result() for answer in answers)
    good = {"grpc": "OK"}.get(protocol, 200)
    assert ended.keys() <= {good, 503, "UNAVAILABLE"}
    return AT_ONCE - ended[good]


@contextmanager
def hanging(app: Application) -> Iterator[None]:
    app.always = HANGS
    try:
        yield
    finally:
        app.forget()


def outcome(stage: Stage, protocol: str) -> int | str:
    return Call().sent(stage).code.name if protocol == "grpc" else Request().sent(stage).status
