"""How long a request may take: by the route, by the node's listener, by default; and how long a stream may be idle."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests import build
from tests.contract.envoy.applications import HANGS, Does
from tests.contract.envoy.scenes import PORT, Call, Request, scene
from tests.contract.envoy.stage import Stage

Json = Any
SHORT, LONG = {"unit": "ms", "value": 40}, {"unit": "s", "value": 5}
NEVER = {"maxRetries": 0, "perRetryTimeout": LONG, "httpRetryEvents": ["server-error"]}
SLOW = Does(after=0.08)


@contextmanager
def doing(stage: Stage, where: str, protocol: str, does: Does) -> Iterator[None]:
    """While `blue` does something."""
    app = stage.app(f"blue-{where}", PORT[protocol])
    app.always = does
    yield
    app.forget()


def routed(where: str, protocol: str, route: Json, listener: Json) -> Any:  # noqa: ANN401 - a definition
    blue = build.node("blue", port=PORT[protocol], protocol=protocol, listener=listener)
    said = {"timeout": route} if route else {}
    one = build.route(targets={"blue": 1}, protocol=protocol, retryPolicy=NEVER, **said)
    return scene(where, blue, one, protocol=protocol)


def listening(protocol: str, **timeout: Json) -> Json:
    return {"timeout": {protocol: timeout}}


def outcome(stage: Stage, protocol: str) -> str | int:
    return Call().sent(stage).code.name if protocol == "grpc" else Request().sent(stage).status


TOO_LATE = {"http": 504, "http2": 504, "grpc": "UNAVAILABLE"}
IN_TIME: dict[str, str | int] = {"http": 200, "http2": 200, "grpc": "OK"}


@pytest.mark.parametrize("protocol", ["http", "http2", "grpc"])
def test_a_route_ends_requests_that_take_longer_than_it_allows(stage: Stage, where: str, protocol: str) -> None:
    stage.apply(routed(where, protocol, {"perRequest": SHORT}, {}))
    with doing(stage, where, protocol, HANGS):
        assert outcome(stage, protocol) == TOO_LATE[protocol]
    stage.apply(routed(where, protocol, {"perRequest": LONG}, {}))
    with doing(stage, where, protocol, SLOW):
        assert outcome(stage, protocol) == IN_TIME[protocol]


@pytest.mark.parametrize("protocol", ["http", "http2", "grpc"])
def test_a_nodes_listener_ends_requests_that_take_longer_than_it_allows(
    stage: Stage, where: str, protocol: str
) -> None:
    """Whatever the route allows: here, anything."""
    forever = {"perRequest": {"unit": "s", "value": 0}}
    stage.apply(routed(where, protocol, forever, listening(protocol, perRequest=SHORT)))
    with doing(stage, where, protocol, HANGS):
        assert outcome(stage, protocol) == TOO_LATE[protocol]
    stage.apply(routed(where, protocol, forever, listening(protocol, perRequest=LONG)))
    with doing(stage, where, protocol, SLOW):
        assert outcome(stage, protocol) == IN_TIME[protocol]


@pytest.mark.parametrize("protocol", ["http", "http2", "grpc"])
@pytest.mark.parametrize("on", ["route", "listener"])
def test_a_stream_on_which_nothing_moves_is_ended(stage: Stage, where: str, protocol: str, on: str) -> None:
    """Without a limit for the whole request, so that it is the idle time that ends it."""
    forever = {"unit": "s", "value": 0}
    route: Json = {"perRequest": forever} | ({"idle": SHORT} if on == "route" else {})
    listener = {"perRequest": forever} | ({"idle": SHORT} if on == "listener" else {})
    stage.apply(routed(where, protocol, route, listening(protocol, **listener)))
    with doing(stage, where, protocol, HANGS):
        assert outcome(stage, protocol) == TOO_LATE[protocol]
    stage.apply(routed(where, protocol, {"perRequest": forever, "idle": LONG}, listening(protocol, perRequest=forever)))
    with doing(stage, where, protocol, SLOW):
        assert outcome(stage, protocol) == IN_TIME[protocol]


TIMES: dict[str, tuple[Json, Json, str, str]] = {
    "15 s where nothing is said": ({}, {}, "15s", "15s"),
    "what the route says": ({"perRequest": LONG}, {}, "5s", "15s"),
    "what the listener says": ({}, {"perRequest": LONG}, "15s", "5s"),
    "no limit": ({"perRequest": {"unit": "s", "value": 0}}, {"perRequest": {"unit": "ms", "value": 0}}, "0s", "0s"),
}


@pytest.mark.parametrize(("route", "listener", "caller", "node"), TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("protocol", ["http", "http2", "grpc"])
def test_both_envoys_hold_their_own_limit(
    stage: Stage, where: str, protocol: str, route: Json, listener: Json, caller: str, node: str
) -> None:
    """Nobody waits for 15 s here: it is what Envoy says that it does, and the last one tells the application."""
    stage.apply(routed(where, protocol, route, listening(protocol, **listener) if listener else {}))
    assert limits(stage, "front", "outbound")["route/router/all"] == caller
    assert limits(stage, f"blue-{where}", f"inbound/{PORT[protocol]}")[f"inbound/{PORT[protocol]}"] == node
    if protocol != "http2":  # the translator before the application has no limit, and says so
        assert outcome(stage, protocol) == IN_TIME[protocol]
        (asked,) = stage.app(f"blue-{where}", PORT[protocol]).asked
        told = asked.headers.get("x-envoy-expected-rq-timeout-ms")
        assert told == (None if node == "0s" else node.replace("s", "000"))


def limits(stage: Stage, proxy: str, table: str) -> dict[str, str]:
    """The time limit of each route that leads somewhere, as an Envoy has it."""
    tables = [t["route_config"] for part in stage.dump(proxy) for t in part.get("dynamic_route_configs", ())]
    hosts = [host for t in tables if t["name"] == table for host in t["virtual_hosts"]]
    return {r["name"]: r["route"]["timeout"] for host in hosts for r in host["routes"] if "route" in r}
