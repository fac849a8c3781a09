"""A gateway route that moves between services, under a steady stream of requests: not one of them is lost.

`colors.local` is played by blue in east, `shapes.local` by green in west, so clusters and ways come and go as well. The
two tables of the gateway are applied one after the other in either order, which a single push leaves to Envoy.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle, islice, pairwise
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.xds import names
from isthmus.xds.snapshot import Phase, Resource, Snapshot, Type, compose
from tests import build
from tests.contract.envoy.flowing import Streams, phases
from tests.contract.envoy.stage import DOOR, HERE, HTTP, Door, Instance, Stage
from tests.until import until

SHAPES = "shapes.local"
MOVES = 20
KEPT = {"hostname": {"defaultTargetHostname": "DISABLED"}}
INGRESS, OUTBOUND = names.ingress(DOOR), names.OUTBOUND


def leading_to(service: str, rewrite: Any = None) -> Definition:  # noqa: ANN401 - JSON
    """The gateway's one route leads to a service."""
    return build.definition(
        *(build.attachment(cluster) for cluster in HERE),
        build.node("blue", port=HTTP),
        build.node("green", port=HTTP),
        build.placement("blue", "east"),
        build.placement("green", "west"),
        build.service(node="blue"),
        build.service(SHAPES, node="green"),
        build.gateway(port=DOOR),
        build.gateway_route(service=service, rewrite=rewrite),
        settings={"transport": "strict"},
    )


@pytest.fixture(scope="module")
def playing() -> Iterator[Stage]:
    stage = Stage(Instance("blue"), Instance("green", cluster="west"), doors=[Door("ingress")])
    try:
        yield stage
    finally:
        stage.stop()


def one_by_one(stage: Stage, snapshots: Mapping[str, Snapshot], last: str) -> None:
    """Apply to the gateway all but one of its tables, and then that, too; clusters are taken away last, as ever."""
    before = _by_name(stage.resources("ingress"))
    stage.know(snapshots)
    after = _by_name(stage.resources("ingress"))
    stage.ads.give("ingress", ({**before, **after} | {(Type.ROUTES, last): before[Type.ROUTES, last]}).values())
    stage.start()
    stage.tell()


def _by_name(resources: Iterable[Resource]) -> dict[tuple[str, str], Resource]:
    return {(r.type, r.name): r for r in resources}


def snapshots(stage: Stage, definition: Definition) -> Mapping[str, Snapshot]:
    """A definition's, which is then in force."""
    stage.apply(definition)
    return stage.snapshots


@pytest.mark.parametrize("rewrite", [None, KEPT], ids=["with the service's host", "with the caller's host"])
def test_no_request_is_lost_while_a_gateway_route_moves_to_and_fro(playing: Stage, rewrite: Any) -> None:  # noqa: ANN401
    ends = [snapshots(playing, leading_to(service, rewrite)) for service in (SHAPES, build.SERVICE)]
    streams, lasts = Streams(playing.addresses["ingress"], DOOR, "shop.example"), cycle((INGRESS, OUTBOUND, OUTBOUND))
    with streams.flowing():
        for old, new in islice(pairwise(cycle(reversed(ends))), MOVES):
            for offered in phases(old, new):
                one_by_one(playing, offered, next(lasts))
            assert playing.enter("shop.example").by == ("green" if new is ends[0] else "blue")
    assert streams.answers.keys() == {"blue", "green"}, streams.answers
    assert min(streams.answers.values()) > MOVES


@pytest.mark.parametrize("last", [INGRESS, OUTBOUND], ids=["ingress last", "outbound last"])
def test_without_the_phases_requests_are_lost(playing: Stage, last: str) -> None:
    old, new = (snapshots(playing, leading_to(service)) for service in (SHAPES, build.SERVICE))
    playing.know(old)
    playing.tell()
    before, streams = (
        _by_name(playing.resources("ingress")),
        Streams(playing.addresses["ingress"], DOOR, "shop.example"),
    )
    with streams.flowing():
        bare = {cluster: compose(Phase.SHIFT, old[cluster].manifest, new[cluster].manifest) for cluster in HERE}
        playing.know({c: Snapshot(m, {**old[c].resources, **new[c].resources}) for c, m in bare.items()})
        after = _by_name(playing.resources("ingress"))
        halfway = {**before, **after} | {(Type.ROUTES, last): before[Type.ROUTES, last]}
        playing.ads.give("ingress", halfway.values())
        until(lambda: streams.answers["404"] > 0)
        playing.tell()
    assert playing.enter("shop.example").by == "blue"
