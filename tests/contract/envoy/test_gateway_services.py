"""Through a gateway a virtual service is what it is for any caller: its routes, shares, retries and time limits."""

from collections import Counter
from typing import Any

import pytest

from tests import build
from tests.contract.envoy.applications import HANGS
from tests.contract.envoy.scenes import PORT, Call, Request, narrow, scene
from tests.contract.envoy.stage import HTTP, SECOND, Stage

Json = Any
REWRITES: dict[str, Json] = {
    "under the service's name": None,
    "under the caller's": {"hostname": {"defaultTargetHostname": "DISABLED"}},
}
both_ways = pytest.mark.parametrize("rewrite", REWRITES.values(), ids=REWRITES)


@both_ways
def test_a_gateway_follows_the_services_routes(stage: Stage, where: str, rewrite: Json) -> None:
    routes = narrow({"prefix": "/b", "headers": [{"name": "x-a"}]})
    stage.apply(scene(where, *routes, build.gateway_route(prefix="/a/", rewrite=rewrite)))
    answers = [Request(path, headers=h).entering(stage).by for path, h in (("/a/b", {"x-a": ""}), ("/a/b", {}))]
    assert answers == [f"green-{where}", f"blue-{where}"]
    assert Request("/a/c", headers={"x-a": ""}).entering(stage).by == f"blue-{where}", (
        "it sees what is left of the path"
    )


@both_ways
def test_a_gateway_shares_requests_by_the_services_weights(stage: Stage, where: str, rewrite: Json) -> None:
    route = build.route(targets={"blue": 1, "green": 1})
    stage.apply(scene(where, route, build.gateway_route(rewrite=rewrite)))
    got = Counter(Request().entering(stage).by for _ in range(60))
    assert got.keys() == {f"blue-{where}", f"green-{where}"}
    assert min(got.values()) >= 12


@both_ways
@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_a_gateway_tries_again_as_the_services_route_says(
    stage: Stage, where: str, rewrite: Json, protocol: str
) -> None:
    policy = {"maxRetries": 1, "perRetryTimeout": {"unit": "s", "value": 1}, "httpRetryEvents": ["client-error"]}
    one = build.route(targets={"blue": 1}, retryPolicy=policy, protocol=protocol)
    door = build.gateway_route(rewrite=rewrite, protocol=protocol)
    stage.apply(scene(where, one, door, protocol=protocol))
    app = stage.app(f"blue-{where}", PORT[protocol])
    app.then(409)
    assert (Request().entering(stage).status, len(app.asked)) == (200, 2)
    app.forget()
    app.then(409, 409)
    assert (Request().entering(stage).status, len(app.asked)) == (409, 2)
    app.forget()
    app.then(503)
    assert (Request().entering(stage).status, len(app.asked)) == (503, 1)


def test_a_gateway_tries_a_503_twice_more_where_nothing_is_said(stage: Stage, where: str) -> None:
    """And no more often: its own way into the mesh adds no tries to the service's."""
    stage.apply(scene(where, build.service(node="blue"), build.gateway_route()))
    app = stage.app(f"blue-{where}")
    app.then(503, 503)
    assert (Request().entering(stage).status, len(app.asked)) == (200, 3)
    app.forget()
    app.then(503, 503, 503)
    assert (Request().entering(stage).status, len(app.asked)) == (503, 3)


@both_ways
def test_a_gateway_holds_the_services_time_limit(stage: Stage, where: str, rewrite: Json) -> None:
    def limited(value: int, unit: str) -> Json:
        said = {"perRequest": {"unit": unit, "value": value}}
        never = {"maxRetries": 0, "perRetryTimeout": {"unit": "s", "value": 9}, "httpRetryEvents": ["server-error"]}
        one = build.route(targets={"blue": 1}, timeout=said, retryPolicy=never)
        stage.apply(scene(where, one, build.gateway_route(rewrite=rewrite)))

    limited(40, "ms")
    app = stage.app(f"blue-{where}")
    app.then(HANGS)
    assert Request().entering(stage).status == 504
    app.forget()
    limited(5, "s")
    assert Request().entering(stage).status == 200


def test_a_gateway_asks_for_the_port_that_its_route_says(stage: Stage, where: str) -> None:
    def said(port: int) -> Any:  # noqa: ANN401 - JSON
        blue = build.node("blue", ports={HTTP: "http", SECOND: "http"})
        route = build.gateway_route(target_port=port, rewrite=rewrite)
        stage.apply(scene(where, build.service(node="blue"), blue, route))
        return Request().entering(stage).said["port"]

    for rewrite in REWRITES.values():
        assert (said(HTTP), said(SECOND)) == (HTTP, SECOND), rewrite


@both_ways
def test_a_service_without_provider_is_not_found(stage: Stage, where: str, rewrite: Json) -> None:
    stage.apply(scene(where, build.service(), build.gateway_route(rewrite=rewrite)))
    assert Request().entering(stage).status == 404
    stage.apply(scene(where, build.service(node="blue"), build.gateway_route(rewrite=rewrite)))
    assert Request().entering(stage).status == 200


def test_a_gateway_follows_the_routes_of_calls(stage: Stage, where: str) -> None:
    routes = narrow({"serviceName": "color.Picker", "metadata": [{"name": "x-a"}]}, protocol="grpc")
    stage.apply(scene(where, *routes, build.gateway_route(protocol="grpc"), protocol="grpc"))
    assert Call(metadata=(("x-a", ""),)).entering(stage).said["app"] == f"green-{where}"
    assert Call().entering(stage).said["app"] == f"blue-{where}"


def test_a_gateway_tries_calls_again_as_the_services_route_says(stage: Stage, where: str) -> None:
    policy = {"maxRetries": 1, "perRetryTimeout": {"unit": "s", "value": 1}, "grpcRetryEvents": ["internal"]}
    one = build.route(targets={"blue": 1}, retryPolicy=policy, protocol="grpc")
    stage.apply(scene(where, one, build.gateway_route(protocol="grpc"), protocol="grpc"))
    app = stage.app(f"blue-{where}", PORT["grpc"])
    app.then(13)
    assert (Call().entering(stage).code.name, len(app.asked)) == ("OK", 2)
    app.forget()
    app.then(14)
    assert (Call().entering(stage).code.name, len(app.asked)) == ("UNAVAILABLE", 1)
