"""When a request is tried again: App Mesh's events one by one, and its own policy where a route has none.

What the application was asked is counted, so a retry that is not seen by the caller is seen here. Statuses that mark an
instance as failing (502, 503, 504) never come five times in a row, or its callers would leave it alone.
"""

from typing import Any

import pytest

from isthmus.model.definition import Definition
from tests import build
from tests.contract.envoy.applications import HANGS, Does
from tests.contract.envoy.scenes import PORT, Call, Request, scene
from tests.contract.envoy.stage import Stage

Json = Any
SECOND = {"unit": "s", "value": 1}
EVENTS = {
    "server-error": {500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511},
    "gateway-error": {502, 503, 504},
    "client-error": {409},
    "stream-error": set[int](),
}
STATUSES = (400, 502, 404, 503, 408, 504, 409, 500, 429, 501, 505, 506, 507, 508, 509, 510, 511)
GRPC_EVENTS = {"cancelled": 1, "deadline-exceeded": 4, "internal": 13, "resource-exhausted": 8, "unavailable": 14}
CODES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)


def trying(where: str, protocol: str, **policy: Json) -> Definition:
    said: Json = {"retryPolicy": {"maxRetries": 1, "perRetryTimeout": SECOND} | policy} if policy else {}
    one = build.route(targets={"blue": 1}, protocol=protocol, **said)
    return scene(where, one, protocol=protocol)


def tries(stage: Stage, where: str, protocol: str, *first: int) -> tuple[int | str, int]:
    """What a request comes to whose first tries fail, and how many it took."""
    app = stage.app(f"blue-{where}", PORT[protocol])
    app.forget()
    app.then(*first)
    said = Call().sent(stage).code.name if protocol == "grpc" else Request().sent(stage).status
    return said, len(app.asked)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_an_http_event_is_certain_statuses(stage: Stage, where: str, protocol: str, event: str) -> None:
    stage.apply(trying(where, protocol, httpRetryEvents=[event]))
    came = {status: tries(stage, where, protocol, status) for status in STATUSES}
    assert came == {status: (200, 2) if status in EVENTS[event] else (status, 1) for status in STATUSES}


@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_several_events_add_up(stage: Stage, where: str, protocol: str) -> None:
    stage.apply(trying(where, protocol, httpRetryEvents=["client-error", "gateway-error"]))
    assert [tries(stage, where, protocol, status) for status in (409, 502, 500)] == [(200, 2), (200, 2), (500, 1)]


@pytest.mark.parametrize("event", GRPC_EVENTS)
def test_a_grpc_event_is_one_code(stage: Stage, where: str, event: str) -> None:
    stage.apply(trying(where, "grpc", grpcRetryEvents=[event]))
    came = {code: tries(stage, where, "grpc", code)[1] for code in CODES}
    assert came == {code: 2 if code == GRPC_EVENTS[event] else 1 for code in CODES}


def test_a_call_that_was_tried_again_is_well(stage: Stage, where: str) -> None:
    stage.apply(trying(where, "grpc", grpcRetryEvents=["internal", "unavailable"]))
    assert [tries(stage, where, "grpc", code) for code in (13, 14, 5)] == [("OK", 2), ("OK", 2), ("NOT_FOUND", 1)]


LIMITS = {"none": 0, "one more": 1, "three more": 3}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_no_more_tries_than_the_policy_allows(stage: Stage, where: str, limit: int) -> None:
    stage.apply(trying(where, "http", httpRetryEvents=["server-error"], maxRetries=limit))
    assert tries(stage, where, "http", *[500] * limit) == (200, limit + 1)
    assert tries(stage, where, "http", *[500] * (limit + 1)) == (500, limit + 1)


def test_without_a_policy_a_503_is_tried_twice_more(stage: Stage, where: str) -> None:
    stage.apply(trying(where, "http"))
    assert tries(stage, where, "http", 503, 503) == (200, 3)
    assert tries(stage, where, "http", 503, 503, 503) == (503, 3)
    assert [tries(stage, where, "http", status) for status in (500, 502, 409)] == [(500, 1), (502, 1), (409, 1)]


def test_without_a_policy_an_unavailable_call_is_tried_twice_more(stage: Stage, where: str) -> None:
    stage.apply(trying(where, "grpc"))
    assert tries(stage, where, "grpc", 14, 14) == ("OK", 3)
    assert tries(stage, where, "grpc", 14, 14, 14) == ("UNAVAILABLE", 3)
    assert [tries(stage, where, "grpc", code)[1] for code in (8, 13, 4)] == [1, 1, 1]


def test_a_service_by_node_has_the_default_policy(stage: Stage, where: str) -> None:
    stage.apply(scene(where, build.service(node="blue")))
    assert tries(stage, where, "http", 503, 503) == (200, 3)
    assert tries(stage, where, "http", 500) == (500, 1)


@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_a_try_that_takes_too_long_is_given_up_for_another(stage: Stage, where: str, protocol: str) -> None:
    """`reset` comes with any HTTP event; with a connection's error alone there is nothing to try again for."""
    short = {"unit": "ms", "value": 200}
    stage.apply(trying(where, protocol, httpRetryEvents=["client-error"], perRetryTimeout=short))
    app = stage.app(f"blue-{where}", PORT[protocol])
    app.then(HANGS)
    assert (Request().sent(stage).status, len(app.asked)) == (200, 2)
    stage.apply(trying(where, protocol, tcpRetryEvents=["connection-error"], perRetryTimeout=short))
    app.forget()
    app.then(HANGS)
    assert (Request().sent(stage).status, len(app.asked)) == (504, 1)


def test_a_try_has_less_time_than_the_request(stage: Stage, where: str) -> None:
    """Two tries that hang, and the third is in time; with one more than that, the request's own limit ends it all."""
    short = {"unit": "ms", "value": 150}
    policy = {"maxRetries": 9, "perRetryTimeout": short, "httpRetryEvents": ["server-error"]}
    one = build.route(targets={"blue": 1}, retryPolicy=policy, timeout={"perRequest": {"unit": "ms", "value": 600}})
    stage.apply(scene(where, one))
    app = stage.app(f"blue-{where}")
    app.then(HANGS, Does(500))
    assert (Request().sent(stage).status, len(app.asked)) == (200, 3)
    app.forget()
    app.always = HANGS
    assert (Request().sent(stage).status, len(app.asked) in range(2, 9)) == (504, True)
