"""Access logs, by real Envoys: a line for each request where it is asked for, in its format, and none elsewhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.ir.mesh import AccessLog
from isthmus.model.definition import Definition
from isthmus.xds import listeners
from isthmus.xds.localise import bound
from tests import build
from tests.contract.envoy.asking import connected, received
from tests.contract.envoy.stage import DOOR, HTTP, OUTBOUND, SECOND, TCP, Door, Instance, Stage
from tests.until import until

Json = Any
RAW = "raw.local"
"""A service of TCP."""


class Logged(Stage):
    """`front` calls `blue`, as does the gateway; where they log to is in `folder`.

    Another one for each test: an Envoy keeps a log open under its path for as long as it runs, whoever removes it.
    """

    folder: Path

    def __init__(self) -> None:
        super().__init__(Instance("front"), Instance("blue"), doors=[Door("ingress")])

    def apply(self, definition: Definition) -> None:
        """Until old chains are gone too: a connection that is open stays with the one that took it."""
        super().apply(definition)
        for envoy in self.envoys.values():
            until(lambda envoy=envoy: not any(envoy.stats("total_.*_draining").values()))  # type: ignore[misc]

    def lines(self, name: str) -> list[str]:
        """What is in a log now; nothing before it is there."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def written(self, name: str, mark: str) -> list[str]:
        """The lines of a log that hold a mark, once there is one."""
        return until(lambda: [line for line in self.lines(name) if mark in line])


def logging(path: Path | str, **format_: Json) -> Json:
    """A spec's `logging`; `format_` is text or json, nothing for Envoy's own."""
    file: Json = {"path": str(path)} | ({"format": format_} if format_ else {})
    return {"accessLog": {"file": file}}


def mesh(*, front: Json = None, blue: Json = None, gateway: Json = None) -> Definition:
    """What each logs; None, if it does not."""
    said = {name: {} if log is None else {"logging": log} for name, log in (("front", front), ("blue", blue))}
    door = {} if gateway is None else {"logging": gateway}
    return build.mesh(
        build.node("front", port=HTTP, backends=[build.SERVICE, RAW], **said["front"]),
        build.node("blue", ports={HTTP: "http", TCP: "tcp"}, **said["blue"]),
        build.router(port=HTTP),
        build.route(targets=[{"virtualNode": "blue", "weight": 1, "port": HTTP}]),
        build.router("raw", port=SECOND, protocol="tcp"),
        build.route("raw", router="raw", targets=[{"virtualNode": "blue", "weight": 1, "port": TCP}], protocol="tcp"),
        build.service(RAW, router="raw"),
        build.gateway(port=DOOR, **door),
        targets={"blue": 1},
        settings={"transport": "strict"},
    )


@pytest.fixture(scope="module")
def playing() -> Iterator[Logged]:
    stage = Logged()
    try:
        yield stage
    finally:
        stage.stop()


@pytest.fixture
def stage(playing: Logged, tmp_path: Path) -> Logged:
    playing.folder = tmp_path
    return playing


def test_each_side_writes_a_line_of_text_for_each_request(stage: Logged) -> None:
    client = logging(stage.folder / "front", text="%RESPONSE_CODE% %REQ(:METHOD)% %REQ_WITHOUT_QUERY(:PATH)% 100%%")
    server = logging(stage.folder / "blue", text="%DOWNSTREAM_PEER_URI_SAN% asked for %REQ(:PATH):6%\n")
    stage.apply(mesh(front=client, blue=server))
    for path in ("/first?secret=1", "/second"):
        assert stage.ask("front", build.SERVICE, path).status == 200
    assert stage.ask("front", "nobody.local").status == 404
    until(lambda: len(stage.lines("front")) == 3 and len(stage.lines("blue")) == 2)
    assert stage.lines("front") == ["200 GET /first 100%", "200 GET /second 100%", "404 GET / 100%"]
    caller = f"spiffe://{stage.domains['east'].name}/mesh/shop/node/front"
    assert stage.lines("blue") == [f"{caller} asked for /first", f"{caller} asked for /secon"]


def test_members_of_json_are_a_line_each_in_order_of_their_keys(stage: Logged) -> None:
    members = [("status", "%RESPONSE_CODE%"), ("path", "%REQ(:PATH)%"), ("app", "front"), ("none", "%REQ(x-none)%")]
    listed = [{"key": key, "value": value} for key, value in (("app", "lost"), *members)]
    stage.apply(mesh(front=logging(stage.folder / "front", json=listed)))
    assert stage.ask("front", build.SERVICE, "/it's-quoted").status == 200
    [line] = stage.written("front", "quoted")
    expected = {"app": "front", "none": None, "path": "/it's-quoted", "status": 200}
    assert list(json.loads(line).items()) == list(expected.items())


def test_without_a_format_lines_are_envoys_own(stage: Logged) -> None:
    stage.apply(mesh(front=logging(stage.folder / "front")))
    assert stage.ask("front", build.SERVICE, "/own").status == 200
    [line] = stage.written("front", "/own")
    assert re.match(rf'\[\d{{4}}-.*Z\] "GET /own HTTP/1.1" 200 - 0 \d+ .* "{build.SERVICE}" ', line)


def test_a_gateway_writes_what_comes_in_and_what_it_sends_on(stage: Logged) -> None:
    stage.apply(mesh(gateway=logging(stage.folder / "edge", text="%REQ(:PATH)% at %REQ(:AUTHORITY)%: %ROUTE_NAME%")))
    assert stage.enter("outside.example", "/shop").status == 200
    assert stage.enter("outside.example", "/else").status == 200
    until(lambda: len(stage.lines("edge")) == 4)
    came = f"{build.SERVICE}: gateway-route/ingress/all"  # which has rewritten the host by then
    sent = f"{build.SERVICE}: route/{build.ROUTER}/all"
    assert sorted(stage.lines("edge")) == sorted(f"{p} at {what}" for p in ("/shop", "/else") for what in (came, sent))


def test_each_side_of_tcp_writes_a_line_for_each_connection(stage: Logged) -> None:
    text = "%BYTES_RECEIVED% in, %BYTES_SENT% out, %PROTOCOL%"
    stage.apply(mesh(front=logging(stage.folder / "front", text=text), blue=logging(stage.folder / "blue", text=text)))
    with connected(stage.addresses["front"], SECOND) as connection:
        assert received(connection) == b"blue\n"
        connection.sendall(b"twelve bytes")
        assert received(connection) == b"twelve bytes"
    for side in ("front", "blue"):
        until(lambda side=side: len(stage.lines(side)) == 1)  # type: ignore[misc]
        assert stage.lines(side) == ["12 in, 17 out, -"], "it greets with `blue` and a newline"


def test_who_does_not_log_writes_nothing_and_logging_ends_when_it_is_taken_out(stage: Logged) -> None:
    log = logging(stage.folder / "front", text="%REQ(:PATH)%")
    stage.apply(mesh(front=log))
    assert stage.ask("front", build.SERVICE, "/before").status == 200
    stage.written("front", "/before")
    stage.apply(mesh(blue=logging(stage.folder / "blue", text="%REQ(:PATH)%")))
    assert stage.ask("front", build.SERVICE, "/between").status == 200
    stage.written("blue", "/between")
    stage.apply(mesh(front=log))
    assert stage.ask("front", build.SERVICE, "/after").status == 200
    stage.written("front", "/after")
    assert stage.lines("front") == ["/before", "/after"]
    assert stage.lines("blue") == ["/between"]


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/stderr"])
def test_the_standard_streams_are_written_to(stage: Logged, path: str) -> None:
    stage.apply(mesh(front=logging(path, text="%REQ(:PATH)% is on %LISTENER_NAME%")))
    assert stage.ask("front", build.SERVICE, path).status == 200
    log = stage.envoys["front"].log
    assert until(lambda: f"{path} is on outbound\n" in log.read_text())


def test_a_log_that_cannot_be_opened_is_refused_and_the_old_listener_stays(stage: Logged) -> None:
    stage.apply(mesh())
    good, nowhere = stage.resources("front"), str(stage.folder / "nowhere" / "log")
    bad = bound(listeners.outbound(AccessLog(nowhere)), stage.addresses["front"], OUTBOUND)
    stage.ads.give("front", [bad if (r.type, r.name) == (bad.type, bad.name) else r for r in good])
    [why] = until(lambda: list(stage.ads.refused))
    assert f"unable to open file '{nowhere}': No such file or directory" in why
    assert stage.ask("front", build.SERVICE).status == 200
    stage.ads.refused.clear()
    stage.ads.give("front", good)
    until(lambda: stage.ads.acked("front"))
