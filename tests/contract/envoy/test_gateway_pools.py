"""Connection pools of a virtual gateway: how many requests a port lets in at once, and what becomes of the others."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import pytest

from isthmus.model.definition import Definition
from isthmus.model.document import Document
from tests import build
from tests.contract.envoy.applications import HANGS, Does
from tests.contract.envoy.asking import Answer, free_port
from tests.contract.envoy.stage import DOOR, GRPC, HTTP, SIDE_DOOR, Door, Instance, Stage
from tests.until import until

Json = Any
BACK_DOOR = free_port()
PICKER, PICK = "picker.local", "/color.Picker/Pick"
POOLS: Json = {
    DOOR: ("http", {"http": {"maxConnections": 1, "maxPendingRequests": 2}}),
    SIDE_DOOR: ("http2", {"http2": {"maxRequests": 2}}),
    BACK_DOOR: ("http", None),
}
MANY = 8


def definition() -> Definition:
    """A gateway with three ports, two of them with a pool, before an HTTP and a gRPC service."""
    listeners = [
        {"portMapping": {"port": port, "protocol": protocol}} | ({"connectionPool": pool} if pool else {})
        for port, (protocol, pool) in POOLS.items()
    ]
    return build.definition(
        build.attachment("east"),
        build.attachment("west"),
        build.node("blue", ports={HTTP: "http", GRPC: "grpc"}),
        build.placement("blue", "east"),
        build.router(port=HTTP),
        build.route(targets=_blue(HTTP), timeout=_NEVER),
        build.service(router=build.ROUTER),
        build.router("picker", port=GRPC, protocol="grpc"),
        build.route("pick", router="picker", protocol="grpc", targets=_blue(GRPC)),
        build.service(PICKER, router="picker"),
        build.document("VirtualGateway", build.GATEWAY, {"listeners": listeners}),
        *(_entrance(port, protocol) for port, (protocol, _) in POOLS.items()),
        build.gateway_route("picker", service=PICKER, match={"path": {"exact": PICK}, "port": DOOR}, priority=0),
    )


def _entrance(port: int, protocol: str) -> Document:
    match = {"prefix": "/", "port": port}
    return build.gateway_route(f"web-{port}", protocol=protocol, match=match, priority=1)


def _blue(port: int) -> Json:
    return [{"virtualNode": "blue", "weight": 1, "port": port}]


_NEVER = {"perRequest": {"unit": "s", "value": 0}}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage(Instance("blue"), doors=[Door(build.GATEWAY)])
    try:
        stage.apply(definition())
        yield stage
        assert stage.ads.refused == []
    finally:
        stage.stop()


@pytest.fixture(autouse=True)
def well(stage: Stage) -> None:
    stage.forget()


def at_once(stage: Stage, callers: ThreadPoolExecutor, port: int, requests: int = MANY) -> list[Future[Answer]]:
    """Requests that all wait for the application, which hangs; but those that the gateway answers itself.

    A connection is there before: the first request waits for one to be made, and is counted among those that wait.
    """
    assert stage.enter("shop.example.com", port=port).status == 200
    stage.app("blue").forget()
    stage.app("blue").always = HANGS
    return [callers.submit(stage.enter, "shop.example.com", port=port) for _ in range(requests)]


def refused(asked: list[Future[Answer]]) -> list[Answer]:
    return [each.result() for each in asked if each.done()]


@pytest.mark.parametrize(
    ("port", "passed", "at_the_application"),
    [(DOOR, 3, 1), (SIDE_DOOR, 2, 2), (BACK_DOOR, MANY, MANY)],
    ids=["one at a time, two wait", "two at a time", "no pool, no limit"],
)
def test_a_pool_limits_what_a_port_lets_in_at_once(
    stage: Stage, port: int, passed: int, at_the_application: int
) -> None:
    app = stage.app("blue")
    with ThreadPoolExecutor(MANY) as callers:
        asked = at_once(stage, callers, port)
        until(lambda: len(refused(asked)) >= MANY - passed and len(app.asked) >= at_the_application)
        overflowed, reached = refused(asked), len(app.asked)
        app.forget()
        answers = Counter(each.result().by for each in asked)
    assert len(overflowed) == MANY - passed
    assert reached == at_the_application
    assert {(a.status, a.headers["x-envoy-overloaded"]) for a in overflowed} <= {(503, "true")}
    assert answers == Counter({"blue": passed, "503": MANY - passed})


def test_a_port_is_not_limited_by_anothers_pool(stage: Stage) -> None:
    app = stage.app("blue")
    with ThreadPoolExecutor(MANY) as callers:
        asked = at_once(stage, callers, DOOR)
        until(lambda: len(refused(asked)) == MANY - 3)
        app.always = Does()
        assert [stage.enter("shop.example.com", port=port).status for port in (SIDE_DOOR, BACK_DOOR)] == [200, 200]
        assert stage.enter("shop.example.com", port=DOOR).status == 503
        app.forget()
    assert stage.enter("shop.example.com", port=DOOR).status == 200


def test_requests_come_one_after_the_other_through_a_pool_of_one(stage: Stage) -> None:
    with ThreadPoolExecutor(3) as callers:
        answers = list(callers.map(partial(stage.enter, port=DOOR), ["shop.example.com"] * 3))
    assert [a.status for a in answers] == [200, 200, 200]
    assert stage.envoys[build.GATEWAY].stats(f"cluster.self/{DOOR}.upstream_cx_active") == {
        f"cluster.self/{DOOR}.upstream_cx_active": 1
    }


def test_trailers_pass_a_port_of_http_with_a_pool(stage: Stage) -> None:
    """HTTP/1.1 within the gateway would lose them, and with them the status of gRPC."""
    stage.app("blue", GRPC).then(Does(7))
    assert stage.enter_call(PICKER, PICK, port=DOOR).code is grpc.StatusCode.PERMISSION_DENIED
    assert stage.enter_call(PICKER, PICK, port=DOOR).said["app"] == "blue"
