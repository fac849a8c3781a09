"""How a route's requests are shared among its targets."""

from collections import Counter
from typing import Any

import pytest

from tests import build
from tests.contract.envoy.scenes import Call, Request, scene
from tests.contract.envoy.stage import HTTP, SECOND, Stage

REQUESTS = 120
"""So many that a share strays beyond the bounds below about once in a hundred thousand runs."""

SHARES: dict[str, tuple[dict[str, int], dict[str, tuple[int, int]]]] = {
    "halves": ({"blue": 50, "green": 50}, {"blue": (35, 85), "green": (35, 85)}),
    "weights that do not add up to 100": ({"blue": 1, "green": 3}, {"blue": (10, 52), "green": (68, 110)}),
    "a weight of 0 gets nothing": ({"blue": 0, "green": 1}, {"green": (REQUESTS, REQUESTS)}),
    "the other weight of 0 gets nothing": ({"blue": 100, "green": 0}, {"blue": (REQUESTS, REQUESTS)}),
    "one target gets all": ({"green": 7}, {"green": (REQUESTS, REQUESTS)}),
    "ten targets, two nodes": ({}, {"blue": (35, 85), "green": (35, 85)}),
}
TEN = [{"virtualNode": node, "weight": 10} for node in ("blue", "green") for _ in range(5)]


@pytest.mark.parametrize(("weights", "bounds"), SHARES.values(), ids=SHARES)
def test_targets_get_requests_by_their_weights(
    stage: Stage, where: str, weights: dict[str, int], bounds: dict[str, tuple[int, int]]
) -> None:
    stage.apply(scene(where, build.route(targets=weights or TEN)))
    got = Counter(Request().sent(stage).by.removesuffix(f"-{where}") for _ in range(REQUESTS))
    assert got.keys() == bounds.keys()
    assert {n: c for n, c in got.items() if not bounds[n][0] <= c <= bounds[n][1]} == {}, got


@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_without_any_weight_nobody_gets_a_request(stage: Stage, where: str, protocol: str) -> None:
    route = build.route(targets={"blue": 0, "green": 0}, protocol=protocol)
    stage.apply(scene(where, route, protocol=protocol))
    answer = Request().sent(stage)
    assert (answer.status, answer.body) == (503, b"isthmus: no target of this route has a weight")


def test_without_any_weight_a_call_is_unavailable(stage: Stage, where: str) -> None:
    stage.apply(scene(where, build.route(targets={"blue": 0}, protocol="grpc"), protocol="grpc"))
    assert Call().sent(stage).code.name == "UNAVAILABLE"


def test_calls_are_shared_as_requests_are(stage: Stage, where: str) -> None:
    stage.apply(scene(where, build.route(targets={"blue": 1, "green": 1}, protocol="grpc"), protocol="grpc"))
    got = Counter(Call().sent(stage).said["app"] for _ in range(40))
    assert got.keys() == {f"blue-{where}", f"green-{where}"}


def test_a_target_says_which_port_of_its_node_it_means(stage: Stage, where: str) -> None:
    def to(port: int) -> Any:  # noqa: ANN401 - JSON
        targets = [{"virtualNode": "blue", "weight": 1, "port": port}]
        blue = build.node("blue", ports={HTTP: "http", SECOND: "http"})
        stage.apply(scene(where, blue, build.route(targets=targets)))
        return Request().sent(stage).said["port"]

    assert (to(SECOND), to(HTTP)) == (SECOND, HTTP)


def test_two_ports_of_one_node_share_a_routes_requests(stage: Stage, where: str) -> None:
    targets = [{"virtualNode": "blue", "weight": 1, "port": port} for port in (HTTP, SECOND)]
    blue = build.node("blue", ports={HTTP: "http", SECOND: "http"})
    stage.apply(scene(where, blue, build.route(targets=targets)))
    assert {Request().sent(stage).said["port"] for _ in range(40)} == {HTTP, SECOND}
