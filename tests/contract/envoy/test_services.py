"""What a proxy can call: its node's backends and nothing else, by the names that users call them."""

import json

import pytest

from tests import build
from tests.contract.envoy.scenes import PORT, Call, Request, scene
from tests.contract.envoy.stage import HTTP, SECOND, Stage

SERVICE = build.SERVICE
NAMES = {
    "as it is": (SERVICE, True),
    "with the node's port": (f"{SERVICE}:{HTTP}", True),
    "with any port": (f"{SERVICE}:1", True),
    "in any case": ("Colors.LOCAL", True),
    "in any case, with a port": ("COLORS.local:80", True),
    "with the dot that ends a DNS name": (f"{SERVICE}.", True),
    "the beginning of its name": ("colors", False),
    "a name below it": (f"a.{SERVICE}", False),
    "another's name": ("other.local", False),
}


@pytest.mark.parametrize(("host", "known"), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_a_service_answers_to_its_name(stage: Stage, where: str, host: str, known: bool, protocol: str) -> None:  # noqa: FBT001
    stage.apply(scene(where, build.service(node="blue"), protocol=protocol))
    answer = Request(host=host).sent(stage)
    assert answer.by == (f"blue-{where}" if known else "404")
    assert known or answer.body == b"isthmus: no such service"


@pytest.mark.parametrize("protocol", ["http", "http2", "grpc"])
def test_a_service_by_a_node_is_that_node(stage: Stage, where: str, protocol: str) -> None:
    def answers() -> set[str]:
        asked = [Call().sent(stage).said["app"] if protocol == "grpc" else Request().sent(stage).by for _ in range(3)]
        return set(asked)

    stage.apply(scene(where, build.service(node="blue"), protocol=protocol))
    assert answers() == {f"blue-{where}"}
    stage.apply(scene(where, build.service(node="green"), protocol=protocol))
    assert answers() == {f"green-{where}"}


def test_a_service_without_provider_or_routes_is_there_and_finds_nothing(stage: Stage, where: str) -> None:
    for service in (build.service(), build.service(router=build.ROUTER)):
        stage.apply(scene(where, service))
        answer = Request().sent(stage)
        assert (answer.status, answer.body) == (404, b""), "Envoy's own, not the one for names that are not known"


def test_a_call_to_a_service_without_provider_is_unimplemented(stage: Stage, where: str) -> None:
    """What gRPC makes of 404 (gRPC over HTTP2, HTTP to gRPC Status Code Mapping)."""
    stage.apply(scene(where, build.service(), protocol="grpc"))
    assert Call().sent(stage).code.name == "UNIMPLEMENTED"


def test_a_node_with_several_ports_is_called_by_the_port_of_the_name(stage: Stage, where: str) -> None:
    blue = build.node("blue", ports={HTTP: "http", SECOND: "http"})
    stage.apply(scene(where, build.service(node="blue"), blue))
    asked = {host: Request(host=host).sent(stage) for host in (SERVICE, f"{SERVICE}:{HTTP}", f"{SERVICE}:{SECOND}")}
    assert [answer.said["port"] for answer in asked.values()] == [HTTP, HTTP, SECOND]
    assert Request(host=f"{SERVICE}:1").sent(stage).status == 404


def test_a_proxy_knows_nothing_but_its_nodes_backends(stage: Stage, where: str) -> None:
    """Not only does it not route there: neither service nor node appears in what it has, until it may call them."""
    hidden = [build.service("hidden.local", node="green")]
    stage.apply(scene(where, build.service(node="blue"), *hidden))
    assert Request(host="hidden.local").sent(stage).status == 404
    dumped = json.dumps(stage.dump("front"))
    assert ("node/blue/" in dumped, "node/green/" in dumped, "hidden.local" in dumped) == (True, False, False)
    both = build.node("front", port=HTTP, backends=[SERVICE, "hidden.local"])
    stage.apply(scene(where, build.service(node="blue"), *hidden, both))
    assert Request(host="hidden.local").sent(stage).by == f"green-{where}"
    dumped = json.dumps(stage.dump("front"))
    assert ("node/blue/" in dumped, "node/green/" in dumped, "hidden.local" in dumped) == (True, True, True)


def test_a_node_without_backends_calls_nobody(stage: Stage, where: str) -> None:
    stage.apply(scene(where, build.service(node="blue"), build.node("front", port=HTTP)))
    assert Request().sent(stage).status == 404
    assert "node/" not in {name.partition("/")[0] + "/" for name in clusters(stage, "front")}


def test_a_backend_may_be_named_before_it_is_there(stage: Stage, where: str) -> None:
    front = build.node("front", port=HTTP, backends=["later.local"])
    stage.apply(scene(where, front))
    assert Request(host="later.local").sent(stage).status == 404
    stage.apply(scene(where, front, build.service("later.local", node="green")))
    assert Request(host="later.local").sent(stage).by == f"green-{where}"


@pytest.mark.parametrize("said", [None, "DROP_ALL"], ids=["where nothing is said", "where it is said"])
def test_nothing_outside_the_mesh_is_called(stage: Stage, where: str, said: str | None) -> None:
    """The address is there and answers, but it is no backend's."""
    spec = {"egressFilter": {"type": said}} if said else {}
    stage.apply(scene(where, build.service(node="blue"), spec=spec))
    outside = f"{stage.addresses[f'blue-{where}']}:{PORT['http']}"
    assert Request(host=outside).sent(stage).status == 404
    assert Request().sent(stage).status == 200


def clusters(stage: Stage, proxy: str) -> set[str]:
    """Every cluster that an Envoy has."""
    listed = [c for part in stage.dump(proxy) for c in part.get("dynamic_active_clusters", ())]
    return {c["cluster"]["name"] for c in listed}
