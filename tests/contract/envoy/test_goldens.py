"""A real Envoy accepts every golden case, and refuses what the compiler must never make."""

from dataclasses import replace
from functools import cache

import pytest
from envoy.config.route.v3 import route_pb2

from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, Type
from tests.contract.envoy.validating import refused
from tests.golden.cases import Case, cases, resources

ALL = list(cases())
verdict = cache(refused)  # many cases have views in common


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.path.parent.name}/{case.path.stem}")
def test_envoy_accepts_every_view_of_a_golden_case(case: Case) -> None:
    snapshot = case.compiled().snapshot
    views = [view for view in snapshot.manifest.views if view != AGENT_VIEW]
    assert {view: said for view in views if (said := verdict(tuple(resources(snapshot, view))))} == {}


def test_a_regex_that_envoy_refuses_is_refused_here_too() -> None:
    case = next(case for case in ALL if case.path.stem == "order")
    listed = [_with_regex(r, "[") for r in _view(case.compiled().snapshot)]
    assert "missing ]" in refused(listed)


def test_a_route_to_a_backend_that_is_not_there_is_refused() -> None:
    case = next(case for case in ALL if case.path.stem == "order")
    listed = [r for r in _view(case.compiled().snapshot) if not r.name.startswith("node/")]
    assert "unknown cluster 'node/blue/8080'" in refused(listed)


def _view(snapshot: Snapshot) -> tuple[Resource, ...]:
    return tuple(resources(snapshot, "node/front@1.40"))


def _with_regex(resource: Resource, regex: str) -> Resource:
    if resource.type != Type.ROUTES:
        return resource
    message = route_pb2.RouteConfiguration.FromString(resource.body)
    message.virtual_hosts[0].routes[0].match.safe_regex.regex = regex
    return replace(resource, body=message.SerializeToString(deterministic=True))
