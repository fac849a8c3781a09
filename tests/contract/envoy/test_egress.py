"""Egress, run by real Envoys: what is no backend is called where the mesh lets it, and answered 404 elsewhere."""

from collections.abc import Iterator

import grpc
import pytest

from isthmus.model.definition import Definition
from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.envoy.applications import App, GrpcApp
from tests.contract.envoy.asking import free_port
from tests.contract.envoy.stage import DOOR, HTTP, OUTBOUND, Door, Instance, Stage

OUTSIDE = "127.89.0.1"
BLOCKED = (404, b"isthmus: no such service")


def definition(egress: str | None) -> Definition:
    """`front` and the gateway call `colors.local`; `hidden.local` is in the mesh, but nobody's backend."""
    return build.mesh(
        build.node("front", port=HTTP, backends=[build.SERVICE]),
        build.node("blue", port=HTTP),
        build.service("hidden.local", node="blue"),
        build.router(port=HTTP),
        build.gateway(port=DOOR),
        build.gateway_route(prefix="/colors", rewrite={"hostname": {"defaultTargetHostname": "DISABLED"}}),
        targets={"blue": 100},
        spec={"egressFilter": {"type": egress}} if egress else {},
    )


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage(Instance("front"), Instance("blue"), doors=[Door("ingress")])
    try:
        yield made
        assert made.ads.refused == []
    finally:
        made.stop()


@pytest.fixture(scope="module")
def outside() -> Iterator[App]:
    """Something that is not in the mesh."""
    app = App("outside", OUTSIDE, free_port())
    yield app
    app.stop()


@pytest.fixture(scope="module")
def here() -> Iterator[App]:
    """Something that has a name."""
    app = App("here", "127.0.0.1", free_port())
    yield app
    app.stop()


@pytest.mark.parametrize("egress", ["DROP_ALL", None])
def test_nothing_leaves_a_mesh_that_does_not_let_it(stage: Stage, outside: App, egress: str | None) -> None:
    stage.apply(definition(egress))
    for host in (f"{OUTSIDE}:{outside.port}", "hidden.local", "elsewhere.invalid"):
        assert stage.ask("front", host)[:2] == BLOCKED, host
    assert outside.asked == []
    assert stage.ask("front", build.SERVICE).by == "blue"


def test_an_address_or_a_name_outside_is_called_at_the_port_that_is_said(stage: Stage, outside: App, here: App) -> None:
    stage.apply(definition("ALLOW_ALL"))
    for host, app in ((f"{OUTSIDE}:{outside.port}", "outside"), (f"localhost:{here.port}", "here")):
        answer = stage.ask("front", host, "/a?b=c", "POST", body=b"said")
        assert (answer.by, answer.said["path"], answer.said["body"]) == (app, "/a?b=c", "said")
        assert answer.said["headers"]["host"] == host
    assert stage.ask("front", build.SERVICE).by == "blue", "a backend is still the mesh's"


def test_grpc_goes_out_as_grpc(stage: Stage) -> None:
    stage.apply(definition("ALLOW_ALL"))
    app = GrpcApp("outside", OUTSIDE, free_port())
    try:
        reply = stage.call("front", f"{OUTSIDE}:{app.port}", "/any.Service/Method")
        assert (reply.code, reply.said["app"]) == (grpc.StatusCode.OK, "outside")
    finally:
        app.stop()


def test_what_cannot_be_found_or_reached_is_503(stage: Stage) -> None:
    """So is a service of the mesh that is no backend: it is looked up like any other name."""
    stage.apply(definition("ALLOW_ALL"))
    for host in ("elsewhere.invalid", "hidden.local", f"{OUTSIDE}:{free_port()}"):
        assert stage.ask("front", host).status == 503, host


def test_a_proxy_does_not_call_itself(stage: Stage) -> None:
    stage.apply(definition("ALLOW_ALL"))
    for address in (stage.addresses["front"], stage.addresses["blue"], "localhost"):
        answer = stage.ask("front", f"{address}:{OUTBOUND}")
        assert (answer.status, answer.body) == (404, b"isthmus: that is this proxy's own port"), address


def test_a_gateway_calls_nobody_for_a_stranger(stage: Stage, outside: App) -> None:
    stage.apply(definition("ALLOW_ALL"))
    outside.forget()
    assert stage.enter(f"{OUTSIDE}:{outside.port}").status == 404
    assert stage.enter(f"{OUTSIDE}:{outside.port}", "/colors").by == "blue"
    assert outside.asked == []


def test_the_setting_changes_no_listener(stage: Stage) -> None:
    def listeners() -> list[bytes]:
        return [r.body for r in stage.resources("front") if r.type == Type.LISTENER]

    stage.apply(definition("ALLOW_ALL"))
    before = listeners()
    stage.apply(definition("DROP_ALL"))
    assert listeners() == before
