"""gRPC's own xDS client against sidecars in its cluster and another: what it is told is what its calls do.

It applies what it has acknowledged a moment later, so tests wait for the first call that shows it.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.model.document import Document
from isthmus.xds.snapshot import Type
from tests import build
from tests.contract.envoy.applications import HANGS, Does
from tests.contract.envoy.authorities import Authority
from tests.contract.envoy.grpc_client import Client
from tests.contract.envoy.proxyless import Host
from tests.contract.envoy.stage import GRPC, Instance, Stage
from tests.contract.envoy.test_grpc_routes import MATCHES, all_at_once, named
from tests.until import until

Json = Any
TARGET = f"xds:///{build.SERVICE}:{GRPC}"
SECOND = {"unit": "s", "value": 1}
UNAVAILABLE = 14
BLUES = {"east": ["blue-east"], "west": ["blue-west", "other-west"]}
SOON = 30.0
NOWHERE = "fd00::77"
"""An address that nobody has."""


@pytest.fixture(scope="module")
def playing() -> Iterator[Stage]:
    """`blue` and `green` in either cluster; a second `blue` in west, and one without a proxy in east."""
    pairs = (Instance(f"{node}-{c}", node, c) for node in ("blue", "green") for c in ("east", "west"))
    made = Stage(*pairs, Instance("other-west", "blue", "west"), Instance("bare-east", "blue", proxied=False))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def stage(playing: Stage) -> Iterator[Stage]:
    """With applications that have forgotten what they were told."""
    yield playing
    playing.forget()


@pytest.fixture(scope="module")
def host(playing: Stage) -> Iterator[Host]:
    playing.apply(mesh("east"))
    made = Host(playing)
    try:
        made.tell()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def client(host: Host) -> Client:
    """One process for all: what it is told changes under it."""
    return host.client()


def mesh(
    where: str, *more: Document, transport: str = "strict", route: Json = None, preference: Json = None
) -> Definition:
    """`front` calls one service, whose nodes run in a cluster; all goes to `blue` if `route` says nothing else."""
    nodes = ("blue", "green")
    made = [
        *(build.attachment(cluster) for cluster in ("east", "west")),
        *(build.node(node, port=GRPC, protocol="grpc") for node in nodes),
        *(build.placement(node, where) for node in nodes),
        build.node("front", port=GRPC, protocol="grpc", backends=[build.SERVICE]),
        build.router(port=GRPC, protocol="grpc"),
        build.service(router=build.ROUTER),
        build.route(protocol="grpc", **({"targets": {"blue": 1}} | (route or {}))),
    ]
    keyed = {each.key: each for each in (*made, *more)}
    spec = {"serviceDiscovery": {"ipPreference": preference}} if preference else {}
    return build.definition(*keyed.values(), settings={"transport": transport}, spec=spec)


def tell(stage: Stage, host: Host, definition: Definition) -> None:
    stage.apply(definition)
    host.tell()


def answering(client: Client, apps: Sequence[str], **more: Json) -> None:
    """Until only these answer."""
    until(lambda: set(client.shares(TARGET, 10, **more)) <= set(apps), SOON)


def test_a_call_arrives_with_its_callers_identity(stage: Stage, host: Host, client: Client, where: str) -> None:
    tell(stage, host, mesh(where))
    answering(client, BLUES[where])
    came = client.call(TARGET, metadata=[["x-a", "b"]])
    assert (came.said["path"], came.said["headers"]["x-a"]) == ("/color.Picker/Pick", "b")
    shown = dict(part.split("=", 1) for part in came.said["headers"]["x-forwarded-client-cert"].split(";"))
    assert shown["URI"] == "spiffe://east-1.acme.isthmus.internal/mesh/shop/node/front"
    assert shown["By"] == f"spiffe://{where}-1.acme.isthmus.internal/mesh/shop/node/blue"


@pytest.mark.parametrize("asked", [build.SERVICE, f"{build.SERVICE}:1", build.SERVICE.upper()])
def test_a_service_is_found_as_a_sidecar_would_find_it(stage: Stage, host: Host, client: Client, asked: str) -> None:
    """By its bare name, under any port where its ports do not differ, in any case."""
    tell(stage, host, mesh("east"))
    answering(client, BLUES["east"])
    assert client.call(f"xds:///{asked}").said["app"] == "blue-east"


def test_calls_follow_weights_and_their_change(stage: Stage, host: Host, client: Client, where: str) -> None:
    tell(stage, host, mesh(where, route={"targets": {"blue": 70, "green": 30}}))
    until(lambda: set(by_node(client.shares(TARGET, 10))) == {"blue", "green"}, SOON)
    shares = by_node(client.shares(TARGET, 400))
    assert 75 <= shares["green"] <= 165, f"30 % of 400 within five standard deviations, not {shares}"
    tell(stage, host, mesh(where, route={"targets": {"blue": 0, "green": 1}}))
    answering(client, [f"green-{where}"])
    assert client.shares(TARGET, 100) == {f"green-{where}": 100}


def by_node(shares: Counter[str]) -> Counter[str]:
    """The shares of nodes; a failure keeps its own name."""
    out: Counter[str] = Counter()
    for app, count in shares.items():
        out["blue" if app == "other-west" else app.partition("-")[0]] += count
    return out


def test_every_instance_of_another_cluster_gets_calls(stage: Stage, host: Host, client: Client) -> None:
    """Through one address, one connection leads to one of them: after a thousand requests another is made."""
    tell(stage, host, mesh("west"))
    answering(client, BLUES["west"])
    seen: Counter[str] = Counter()

    def all_seen() -> bool:
        seen.update(client.shares(TARGET, 500))
        return set(seen) == set(BLUES["west"])

    until(all_seen, SOON)


def retrying(events: Sequence[str], most: int = 2) -> Json:
    return {"retryPolicy": {"maxRetries": most, "perRetryTimeout": SECOND, "grpcRetryEvents": events}}


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [(retrying(["unavailable"]), 3), (retrying(["unavailable"], 0), 1), (retrying(["internal"]), 1)],
    ids=["as often as it says", "never", "not on another status"],
)
def test_calls_are_retried_as_the_route_says(
    stage: Stage, host: Host, client: Client, policy: Json, attempts: int
) -> None:
    tell(stage, host, mesh("east", route=policy))
    answering(client, BLUES["east"])
    app = stage.app("blue-east", GRPC)
    app.always = Does(UNAVAILABLE)
    until(lambda: tried(client, app) == attempts, SOON)


def tried(client: Client, app: Any) -> int:  # noqa: ANN401 - an application
    app.asked.clear()
    assert client.call(TARGET).code == "UNAVAILABLE"
    return len(app.asked)


def test_a_call_is_over_when_the_route_says(stage: Stage, host: Host, client: Client) -> None:
    """Between then and two seconds later (`proxyless_routes.EARLY`)."""
    tell(stage, host, mesh("east", route={"timeout": {"perRequest": SECOND}}))
    answering(client, BLUES["east"])
    stage.app("blue-east", GRPC).always = HANGS
    began = time.monotonic()
    assert client.call(TARGET, seconds=20).code == "DEADLINE_EXCEEDED"
    assert 1 <= time.monotonic() - began < 10
    stage.forget()
    tell(stage, host, mesh("east", route={"timeout": {"perRequest": {"unit": "s", "value": 20}}}))
    stage.app("blue-east", GRPC).always = Does(after=2.3)
    until(lambda: client.call(TARGET, seconds=30).code == "OK", SOON)


def test_routes_take_the_calls_that_a_sidecars_would_take(stage: Stage, host: Host, client: Client) -> None:
    """Each kind of match, with a call that it takes and one that it leaves."""
    tell(stage, host, all_at_once("east"))
    for number, (said, (_, taken, left)) in enumerate(MATCHES.items()):
        target = f"xds:///{named(number)}:{GRPC}"
        came = [client.call(target, method=c.method, metadata=c.metadata) for c in (taken, left)]
        assert [each.said and each.said["app"] for each in came] == ["green-east", "blue-east"], (said, came)


@pytest.mark.parametrize("mode", ["PERMISSIVE", "STRICT"])
def test_a_port_with_app_meshs_own_tls_is_called_in_the_meshs(
    stage: Stage, host: Host, client: Client, where: str, mode: str, tmp_path: Path
) -> None:
    Authority("ours").issue("blue.example").write(tmp_path, "pair")
    pair = {"file": {"certificateChain": str(tmp_path / "pair.pem"), "privateKey": str(tmp_path / "pair.key")}}
    shown = build.node("blue", port=GRPC, protocol="grpc", listener={"tls": {"mode": mode, "certificate": pair}})
    tell(stage, host, mesh(where, shown, transport="permissive"))
    answering(client, BLUES[where])
    told = client.call(TARGET).said["headers"]["x-forwarded-client-cert"]
    assert "URI=spiffe://east-1.acme.isthmus.internal/mesh/shop/node/front" in told
    assert any("these are not called" in lack for lack in host.lacks) == (mode == "STRICT" and where == "east")
    tell(stage, host, mesh(where))
    answering(client, BLUES[where])


def test_an_instance_is_called_at_its_other_address_where_the_first_leads_nowhere(stage: Stage, host: Host) -> None:
    """The proxy of `blue` does not hear of the first, which it could not listen at."""
    tell(stage, host, mesh("east", preference="IPv6_PREFERRED"))
    stage.also["blue-east"] = NOWHERE
    try:
        host.tell()
        (near,) = (r for r in host.told if (r.type, r.name) == (Type.ENDPOINTS, f"mtls/node/blue/{GRPC}"))
        assert NOWHERE.encode() in near.body
        answering(host.client(), BLUES["east"])
    finally:
        stage.also.clear()


def test_who_has_no_credentials_reaches_only_instances_without_a_proxy(
    stage: Stage, host: Host, client: Client
) -> None:
    tell(stage, host, mesh("east", transport="permissive"))
    answering(client, ["blue-east"])
    assert client.shares(TARGET, 20) == {"blue-east": 20}, "mutual TLS comes before plaintext"
    answering(client, ["bare-east"], credentials=False)
    tell(stage, host, mesh("east"))
    answering(client, ["UNAVAILABLE"], credentials=False)
    assert client.shares(TARGET, 20) == {"blue-east": 20}


def test_instances_without_a_proxy_come_before_other_clusters(stage: Stage, host: Host, client: Client) -> None:
    both = build.placement("blue", "east", "west")
    stage.apply(mesh("east", both, transport="permissive"))
    try:
        for unwell, left in (((), ["blue-east"]), (("blue-east",), ["bare-east"]), (("bare-east",), BLUES["west"])):
            stage.health.update(dict.fromkeys(unwell, "unhealthy"))
            host.tell()
            answering(client, left)
    finally:
        stage.health.clear()
