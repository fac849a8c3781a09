"""Two thousand meshes by chance: every view of each is taken by a real Envoy; and a canary that takes less says so.

A mesh that fails is made again by `tests.drawing.meshes.mesh(SEED)`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from envoy.config.route.v3 import route_pb2

from isthmus.xds.compile import compile_mesh
from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.contract.envoy import canary
from tests.contract.envoy.canary import Canary, Proxy, Refused, proxies
from tests.drawing.campaign import campaign
from tests.golden.cases import surroundings

MESHES = 2000


def test_every_drawn_mesh_is_taken_by_envoy() -> None:
    verdict = campaign(MESHES)
    print(verdict.report)  # noqa: T201 - seeds and counts belong into the log
    assert verdict.wrong == []
    assert verdict.rare == {}
    assert verdict.accepted == MESHES


# --- what keeps it honest --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny() -> Iterator[Canary]:
    with Canary.running() as made:
        yield made


def whole() -> Sequence[Proxy]:
    definition = build.mesh()
    return list(proxies(definition, compile_mesh(definition, surroundings(), "east").snapshot, 1))


def changed(change: Callable[[Resource], Resource | None]) -> Sequence[Proxy]:
    """What all proxies get, each resource changed or, by None, lost."""
    return [[made for r in proxy if (made := change(r)) is not None] for proxy in whole()]


def with_bad_regex(resource: Resource) -> Resource:
    if resource.type is not Type.ROUTES or resource.name != "outbound":
        return resource
    message = route_pb2.RouteConfiguration.FromString(resource.body)
    for host in message.virtual_hosts:
        for route in host.routes:
            route.match.safe_regex.regex = "["
    return replace(resource, body=message.SerializeToString(deterministic=True))


def without_routes(resource: Resource) -> Resource | None:
    return None if resource.type is Type.ROUTES else resource


def unasked(resource: Resource) -> Resource:
    """Routes under a name that no listener says."""
    if resource.type is not Type.ROUTES:
        return resource
    message = route_pb2.RouteConfiguration.FromString(resource.body)
    message.name = f"{message.name}/other"
    return replace(resource, name=message.name, body=message.SerializeToString(deterministic=True))


def test_what_is_right_is_taken(tiny: Canary) -> None:
    tiny.accepts([("a mesh", whole())])


def test_what_envoy_refuses_is_told_with_the_mesh_and_envoys_words(tiny: Canary) -> None:
    with pytest.raises(Refused, match=r"^a bad one: .*missing \]: \["):
        tiny.accepts([("a good one", whole()), ("a bad one", changed(with_bad_regex)), ("another", whole())])


def test_what_envoy_does_not_ask_for_is_not_accepted(tiny: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "PATIENCE", 1.0)
    with pytest.raises(Refused, match=r"not acked within 1.0 s: .*inbound/8080/other"):
        tiny.accepts([("a mesh", changed(unasked))])


def test_an_ack_without_effect_is_not_accepted(tiny: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener whose routes never come is acked, and warms for ever."""
    monkeypatch.setattr(canary, "PATIENCE", 1.0)
    monkeypatch.setattr(canary, "CROSS_CHECK", 1)
    with pytest.raises(Refused, match="acked, but config_dump differs"):
        tiny.accepts([("a mesh", changed(without_routes))])
