"""Whatever fills a slot, of any type that it may hold, touches no listener: an open connection lives on."""

from collections.abc import Iterator, Mapping
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any

import pytest

from isthmus.ir.mesh import AccessLog
from isthmus.xds import listeners, names, slots
from isthmus.xds.localise import bound
from isthmus.xds.slots import Layer
from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.envoy import fillings
from tests.contract.envoy.asking import PATIENCE
from tests.contract.envoy.stage import HTTP, OUTBOUND, TCP, Instance, Stage
from tests.until import until

AT = {Layer.HTTP: {"front": names.OUTBOUND, "blue": names.inbound(HTTP)}, Layer.TCP: {"blue": names.inbound(TCP)}}
"""Whose listeners have slots of a layer: a caller's and a server's."""

PREFIX = "type.googleapis.com/envoy.extensions.filters."
FILLED = [
    (slot.layer, slot.name, PREFIX + kind)
    for slot in (*slots.HTTP, *slots.TCP)
    for kind in slot.types
    if kind.partition(".")[2] not in fillings.WITHOUT
]
CHANGES = r"listener_manager\.(listener_(added|modified|removed|in_place_updated)|total_.*_draining)$"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage(Instance("front"), Instance("blue"))
    try:
        stage.apply(
            build.mesh(
                build.node("front", port=HTTP, backends=[build.SERVICE]),
                build.node("blue", ports={HTTP: "http", TCP: "tcp"}),
                build.router(port=HTTP),
                build.route(targets=[{"virtualNode": "blue", "weight": 1, "port": HTTP}]),
                targets={"blue": 1},
            )
        )
        yield stage
        assert stage.ads.refused == []
    finally:
        stage.stop()


@pytest.fixture(scope="module")
def open_connection(stage: Stage) -> Iterator[HTTPConnection]:
    """One connection for all of these tests; a second one would be made in silence, so it must not be."""
    connection = HTTPConnection(stage.addresses["front"], OUTBOUND, timeout=PATIENCE)
    connection.connect()
    connection.auto_open = 0
    yield connection
    connection.close()


def counted(stage: Stage) -> Mapping[str, Mapping[str, int]]:
    return {proxy: stage.envoys[proxy].stats(CHANGES) for proxy in ("front", "blue")}


def test_there_is_a_filling_for_every_type_but_wasm() -> None:
    kinds = {kind.split(".", 1)[1] for slot in (*slots.HTTP, *slots.TCP) for kind in slot.types}
    assert kinds == {*fillings.HTTP, *fillings.TCP, *fillings.WITHOUT}


@pytest.mark.parametrize(
    ("layer", "slot", "url"), FILLED, ids=["-".join((a, b, c.split(".")[-3])) for a, b, c in FILLED]
)
def test_filling_a_slot_and_emptying_it_touches_no_listener(
    stage: Stage, open_connection: HTTPConnection, layer: Layer, slot: str, url: str
) -> None:
    before = counted(stage)
    fill(stage, AT[layer], slot, url)
    assert asked(open_connection) == HTTPStatus.OK
    empty(stage)
    assert asked(open_connection) == HTTPStatus.OK
    assert counted(stage) == before


def test_what_fills_a_slot_counts_at_once(stage: Stage, open_connection: HTTPConnection) -> None:
    """Or the above would show what nobody looks at."""
    before = counted(stage)
    rules = {"action": "DENY", "policies": {"all": {"permissions": [{"any": True}], "principals": [{"any": True}]}}}
    fill(stage, {"front": names.OUTBOUND}, "access", f"{PREFIX}http.rbac.v3.RBAC", rules=rules)
    assert asked(open_connection) == HTTPStatus.FORBIDDEN
    empty(stage)
    assert asked(open_connection) == HTTPStatus.OK
    assert counted(stage) == before


def test_a_change_of_a_listener_would_be_seen(stage: Stage) -> None:
    before = counted(stage)
    logs = listeners.outbound(AccessLog("/dev/null"))
    changed = bound(logs, stage.addresses["front"], OUTBOUND)
    others = [r for r in stage.resources("front") if (r.type, r.name) != (Type.LISTENER, names.OUTBOUND)]
    stage.ads.give("front", [*others, changed])
    until(lambda: stage.ads.acked("front"))
    assert counted(stage)["blue"] == before["blue"]
    assert counted(stage)["front"] != before["front"]


def fill(stage: Stage, at: Mapping[str, str], slot: str, url: str, **said: Any) -> None:  # noqa: ANN401 - JSON
    """A slot of listeners, by proxy, until they have it."""
    for proxy, listener in at.items():
        made = fillings.filling(names.slot(listener, "tcp" if ".network." in url else "http", slot), url, **said)
        given = {(r.type, r.name): r for r in stage.resources(proxy)}
        assert (made.type, made.name) in given, "there is no such slot"
        stage.ads.give(proxy, (given | {(made.type, made.name): made}).values())
        until(partial(stage.ads.acked, proxy))


def empty(stage: Stage) -> None:
    """All slots, until nothing is in them."""
    for proxy in ("front", "blue"):
        stage.ads.give(proxy, stage.resources(proxy))
        until(partial(stage.ads.acked, proxy))


def asked(connection: HTTPConnection) -> int:
    """The status of an answer on a connection that is open."""
    connection.request("GET", "/", headers={"Host": build.SERVICE})
    response = connection.getresponse()
    response.read()
    return response.status
