"""Health checks: who asks whom, and what becomes of an instance that is not well, from its own cluster and another."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from isthmus.model.definition import Definition
from tests import build
from tests.contract.envoy.applications import HANGS, Does
from tests.contract.envoy.checked import PING, Checked, Hurried, check
from tests.contract.envoy.stage import DOOR, HTTP, Door, Instance
from tests.until import until

Json = Any
BLUES = ("blue-1", "blue-2")
UNWELL = Does(500)
WELL, FAILED = "healthy", "/failed_active_hc"
ALONE = "alone.local"


def definition(transport: str = "strict", **said: Json) -> Definition:
    """`front` in east, `far` in west and `ingress` call `blue` in east, `front` also one without a proxy."""
    blue: Json = {"serviceDiscovery": {"dns": {"hostname": "blue.shop.internal"}}}
    return build.definition(
        build.attachment("east"),
        build.attachment("west"),
        build.node("front", port=None, backends=[build.SERVICE, ALONE]),
        build.node("far", port=HTTP, backends=[build.SERVICE]),
        build.node("blue", port=HTTP, listener=check("http", **said), **blue),
        build.node("alone", port=HTTP, listener=check("http", **said)),
        build.placement("blue", "east"),
        build.service(node="blue"),
        build.service(ALONE, node="alone"),
        build.gateway(port=DOOR),
        build.gateway_route(),
        settings={"transport": transport},
    )


@pytest.fixture(scope="module")
def everyone() -> Iterator[Hurried]:
    blues = [Instance(name, "blue") for name in BLUES]
    alone = Instance("alone", proxied=False)
    stage = Hurried(Instance("front"), Instance("far", cluster="west"), *blues, alone, doors=[Door("ingress")])
    for name in (*BLUES, "alone"):
        stage.apps[name, HTTP] = Checked(name, stage.addresses[name], HTTP)
    try:
        stage.apply(definition())
        yield stage
        assert stage.ads.refused == []
    finally:
        stage.stop()


@pytest.fixture
def stage(everyone: Hurried) -> Hurried:
    """Everyone well, and known to be."""
    everyone.forget()
    everyone.health.clear()
    everyone.apply(definition())
    until(lambda: all(feelings(everyone, proxy) == {WELL} for proxy in ("front", "ingress", *BLUES)))
    until(lambda: set(answered(everyone, "far")) == set(BLUES))
    for name in BLUES:
        everyone.app(name).asked.clear()
    return everyone


def app(stage: Hurried, name: str) -> Checked:
    found = stage.app(name)
    assert isinstance(found, Checked)
    return found


def feelings(stage: Hurried, proxy: str) -> set[str]:
    """What an Envoy thinks of the instances of `blue`, or one of these of its application."""
    return set(stage.feelings(proxy, f"app/{HTTP}" if proxy in BLUES else f"node/blue/{HTTP}").values())


def answered(stage: Hurried, caller: str = "front", requests: int = 8, host: str = build.SERVICE) -> Mapping[str, int]:
    """How often who answered; by status where it was not an application."""
    return Counter(stage.ask(caller, host).by for _ in range(requests))


def pinged(stage: Hurried, name: str, more: int) -> None:
    """Until an application was asked that often again."""
    pings = app(stage, name).pings
    so_far = len(pings)
    until(lambda: len(pings) >= so_far + more)


def test_an_instance_is_asked_by_each_client_of_its_cluster_and_by_its_own_proxy(stage: Hurried) -> None:
    east = "spiffe://east-1.acme.isthmus.internal/mesh/shop"
    expected = {f"{east}/node/front", f"{east}/gateway/ingress", ""}
    for name in BLUES:
        until(lambda name=name: app(stage, name).askers() == expected)  # type: ignore[misc]
        pinged(stage, name, 8)
        assert app(stage, name).askers() == expected


def test_it_is_asked_for_the_path_by_the_nodes_own_name(stage: Hurried) -> None:
    pinged(stage, "blue-1", 5)
    asked = {(p.method, p.path, p.headers["host"], p.headers["user-agent"]) for p in app(stage, "blue-1").pings}
    assert asked == {("GET", PING, "blue.shop.internal", "Envoy/HC")}


def test_one_that_is_not_well_gets_no_requests_until_it_is_again(stage: Hurried) -> None:
    assert set(answered(stage)) == set(BLUES)
    app(stage, "blue-1").is_ = UNWELL
    until(lambda: FAILED in feelings(stage, "front"))
    assert answered(stage, requests=20) == {"blue-2": 20}
    app(stage, "blue-1").is_ = Does()
    until(lambda: set(answered(stage)) == set(BLUES))


def test_fewer_bad_answers_in_a_row_than_the_threshold_change_nothing(stage: Hurried) -> None:
    """Without retriable statuses, Envoy would leave an instance after the first one."""
    blue = app(stage, "blue-1")
    blue.feels = [UNWELL]
    felt: set[str] = set()

    def asked_again() -> bool:
        felt.update(*(feelings(stage, proxy) for proxy in ("front", "ingress", *BLUES)))
        return len(blue.pings) >= 12 and not blue.feels

    blue.pings.clear()
    until(asked_again)
    assert felt == {WELL}


def test_callers_elsewhere_do_not_ask_and_are_answered_by_the_others(stage: Hurried) -> None:
    app(stage, "blue-1").is_ = UNWELL
    until(lambda: feelings(stage, "blue-1") == {FAILED})
    app(stage, "blue-1").asked.clear()
    assert answered(stage, "far", 20) == {"blue-2": 20}
    assert app(stage, "blue-1").asked == []


def test_a_proxy_answers_at_once_for_an_application_that_is_not_well(stage: Hurried) -> None:
    for name in BLUES:
        app(stage, name).is_ = UNWELL
    until(lambda: all(feelings(stage, name) == {FAILED} for name in BLUES))
    for name in BLUES:
        app(stage, name).asked.clear()
    answers = [stage.ask("far", build.SERVICE) for _ in range(5)]
    assert {(a.status, a.body) for a in answers} == {(503, b"no healthy upstream")}
    assert [app(stage, name).asked for name in BLUES] == [[], []]


def test_where_nobody_is_well_there_is_no_panic(stage: Hurried) -> None:
    """By default Envoy would call them all."""
    for name in BLUES:
        app(stage, name).is_ = UNWELL
    until(lambda: feelings(stage, "front") == {FAILED} == feelings(stage, "ingress"))
    for answer in (stage.ask("front", build.SERVICE), stage.enter("shop.example.com")):
        assert (answer.status, answer.body) == (503, b"no healthy upstream")


def test_silence_is_no_answer(stage: Hurried) -> None:
    app(stage, "blue-1").is_ = HANGS
    until(lambda: f"{FAILED}/active_hc_timeout" in feelings(stage, "front"), 20)
    assert answered(stage) == {"blue-2": 8}


def test_a_new_check_begins_with_its_first_answer_and_nobody_waits_for_the_second(stage: Hurried) -> None:
    app(stage, "blue-1").is_ = UNWELL
    stage.apply(definition(healthyThreshold=3))
    assert feelings(stage, "front") == {WELL, FAILED}
    assert answered(stage, requests=20) == {"blue-2": 20}


def test_requests_on_their_way_survive_a_change_of_the_check(stage: Hurried) -> None:
    for name in BLUES:
        stage.app(name).always = HANGS
    with ThreadPoolExecutor() as callers:
        answer = callers.submit(stage.ask, "front", build.SERVICE)
        until(lambda: any(stage.app(name).asked for name in BLUES))
        stage.apply(definition(healthyThreshold=3))
        for name in BLUES:
            stage.app(name).forget()
        assert answer.result().status == 200


@pytest.mark.parametrize("said", ["unhealthy", "draining"])
def test_nobody_waits_for_an_instance_that_is_said_not_to_be_well(stage: Hurried, said: Any) -> None:  # noqa: ANN401
    """Envoy would hold its ack back until the first check is over, here for a minute; a starting one its listeners."""
    app(stage, "alone").is_ = HANGS
    stage.health["alone"] = said
    began = time.monotonic()
    stage.apply(definition("permissive", timeoutMillis=60_000, intervalMillis=300_000))
    stage.kill("front")
    stage.start()
    assert answered(stage, host=ALONE) == {"503": 8}
    assert time.monotonic() - began < 20
    app(stage, "alone").forget()
    stage.health.clear()
    stage.apply(definition("permissive", timeoutMillis=60_000, intervalMillis=300_000))
    until(lambda: answered(stage, host=ALONE) == {"alone": 8})


def test_an_instance_without_a_proxy_is_asked_in_plaintext_where_the_mesh_allows_it(stage: Hurried) -> None:
    assert app(stage, "alone").pings == []
    stage.apply(definition("permissive"))
    until(lambda: answered(stage, host=ALONE) == {"alone": 8})
    pinged(stage, "alone", 3)
    assert {p.headers["host"] for p in app(stage, "alone").pings} == {"alone"}
    app(stage, "alone").is_ = UNWELL
    until(lambda: answered(stage, host=ALONE) == {"503": 8})
