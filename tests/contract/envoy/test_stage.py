"""The stage itself: what tests rely on when `apply` returns, and that it says so when that cannot be."""

import pytest
from envoy.config.route.v3 import route_pb2

from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.contract.envoy.scenes import Request, scene
from tests.contract.envoy.stage import Stage
from tests.until import until


def test_what_is_asked_after_applying_is_answered_by_the_new_definition(stage: Stage, where: str) -> None:
    """Back and forth, without waiting for anything else."""
    for node in ("blue", "green") * 5:
        stage.apply(scene(where, build.service(node=node)))
        assert Request().sent(stage).by == f"{node}-{where}"


def test_an_instances_health_is_applied_with_the_same_definition(stage: Stage, where: str) -> None:
    made = scene(where, build.service(node="blue"))
    stage.apply(made)
    assert Request().sent(stage).by == f"blue-{where}"
    stage.health[f"blue-{where}"] = "unhealthy"
    stage.apply(made)
    assert Request().sent(stage).status == 503
    stage.health.clear()
    stage.apply(made)
    assert Request().sent(stage).by == f"blue-{where}"


def test_a_proxy_that_refuses_is_heard(stage: Stage, where: str) -> None:
    """In Envoy's own words; and it has not acked, so nobody would go on as if it had."""
    stage.apply(scene(where, build.service(node="blue")))
    given = stage.resources("front")
    stage.ads.give("front", [_broken(r) if r.name == "outbound" and r.type == Type.ROUTES else r for r in given])
    until(lambda: stage.ads.refused)
    (said,) = stage.ads.refused
    assert said.startswith("front: ")
    assert "Only unique" in said
    with pytest.raises(AssertionError, match="Only unique"):
        stage.ads.acked("front")
    stage.ads.refused.clear()
    assert not stage.ads.acked("front")
    stage.ads.give("front", given)
    until(lambda: stage.ads.acked("front"))


def test_a_proxy_that_has_not_come_has_acked_nothing(stage: Stage) -> None:
    assert not stage.ads.acked("nobody")


def test_a_proxy_that_was_killed_comes_back_with_the_same(stage: Stage, where: str) -> None:
    stage.apply(scene(where, build.service(node="blue")))
    stage.kill("front")
    with pytest.raises(OSError, match="refused"):
        Request().sent(stage)
    stage.start()
    assert Request().sent(stage).by == f"blue-{where}"


def _broken(routes: Resource) -> Resource:
    message = route_pb2.RouteConfiguration.FromString(routes.body)
    message.virtual_hosts.append(message.virtual_hosts[0])
    return Resource(routes.type, routes.name, message.SerializeToString(deterministic=True))
