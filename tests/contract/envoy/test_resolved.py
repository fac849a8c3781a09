"""Nodes that nobody has bound, run by real Envoys: their addresses are called in plaintext, and asked how they are."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.xds.resolved import Address, Resolved
from tests import build
from tests.contract.envoy.applications import App, Does
from tests.contract.envoy.stage import DOOR, HTTP, Stage

ADDRESSES = {"named-1": "127.89.0.1", "named-2": "127.89.0.2"}
NAME = "red.example"
CHECK = {
    "healthCheck": {
        "protocol": "http",
        "path": "/health",
        "intervalMillis": 5000,
        "timeoutMillis": 2000,
        "healthyThreshold": 2,
        "unhealthyThreshold": 2,
    }
}


@pytest.fixture
def named(stage: Stage) -> Iterator[dict[str, App]]:
    """Two applications without a proxy, that a name leads to for every node."""
    apps = {name: App(name, address, HTTP) for name, address in ADDRESSES.items()}
    resolved = Resolved(NAME, tuple(map(Address, ADDRESSES.values())))
    stage.resolved = dict.fromkeys(("red", "blue"), resolved)
    yield apps
    stage.resolved = {}
    for app in apps.values():
        app.stop()


def definition(target: str, *more: Any, listener: Any = None) -> Definition:  # noqa: ANN401 - documents, JSON
    """Everybody calls one node, which says a name."""
    discovery = {"dns": {"hostname": NAME, "responseType": "ENDPOINTS"}}
    return build.mesh(
        build.node("front", port=HTTP, backends=[build.SERVICE]),
        build.node(target, port=HTTP, listener=listener, serviceDiscovery=discovery),
        build.router(port=HTTP),
        build.gateway(port=DOOR),
        *more,
        targets={target: 100},
    )


def answers(stage: Stage, times: int = 20) -> Counter[str]:
    return Counter(stage.ask("front", build.SERVICE).by for _ in range(times))


def test_each_address_of_a_name_is_an_instance_without_a_proxy(stage: Stage, named: dict[str, App]) -> None:
    stage.apply(definition("red"))
    assert answers(stage).keys() == named.keys()
    assert stage.enter(build.SERVICE).by in named, "a gateway calls them as a node does"
    assert "x-forwarded-client-cert" not in named["named-1"].asked[0].headers


@pytest.mark.parametrize("where", ["east", "west"], ids=["of the same cluster", "of another cluster"])
def test_bound_instances_go_before_a_name(stage: Stage, named: dict[str, App], where: str) -> None:
    stage.apply(definition("blue", build.placement("blue", where)))
    assert answers(stage).keys() == {f"blue-{where}"}
    assert not any(app.asked for app in named.values())


def test_clients_ask_each_address_how_it_is(stage: Stage, named: dict[str, App]) -> None:
    named["named-1"].always = Does(status=503)
    stage.apply(definition("red", listener=CHECK))
    assert answers(stage).keys() == {"named-2"}
    assert {asked.path for asked in named["named-1"].asked} == {"/health"}
    assert {asked.headers["host"] for asked in named["named-1"].asked} == {NAME}
