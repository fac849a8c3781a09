"""The same shapes as App Mesh's own: what it sent to a gateway in 2022, beside what we make of the same definition.

Names are ours and bytes are ours; compared are facts that a user could notice: order, spellings, rewrites, retries,
time limits, breakers, weights. Where we differ by intent, `DIFFERENT` says how and why, and that we still do.
"""

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.check import check
from isthmus.model.definition import Definition
from isthmus.xds.compile import compile_mesh
from isthmus.xds.decoded import decoded
from tests import build
from tests.golden.cases import resources, surroundings

Json = Any
ORACLE = Path(__file__).parents[4] / "shared/corpus/appmesh/oracle/vg_gateway.json"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ORACLE.exists(), reason="../shared is absent"),
]
GATEWAY, HEADER = "gw_prod", "x-app-mesh-virtual-service"


@cache
def said() -> Json:
    """The whole file."""
    return json.loads(ORACLE.read_text())


def definition() -> Definition:
    """`input_inferred` as documents; `empty.prod`, a service without routes, is in the observation only."""
    given = said()["input_inferred"]
    services = [name for route in given["gatewayRoutes"] if (name := route["vs"])]
    made = [build.attachment("east"), build.gateway(GATEWAY, port=given["listener"]["port"])]
    for service in services:
        letter = service.partition(".")[0]
        targets = [
            {**t, "virtualNode": t["virtualNode"].replace("X", letter)} for t in given["routes"]["weightedTargets"]
        ]
        made += [_node(target["virtualNode"], letter) for target in targets]
        made += [build.router(letter, port=given["virtualNodes"]["listener"]["port"])]
        made += [build.service(service, router=letter)]
        made += [build.route(router=letter, targets=targets, retryPolicy=_policy(given["routes"]["retryPolicy"]))]
    made += [build.service("empty.prod")]
    made += [
        build.gateway_route(f"r{i}", gateway=GATEWAY, service=r["vs"], prefix=r["prefix"], rewrite=r.get("rewrite"))
        for i, r in enumerate(given["gatewayRoutes"])
    ]
    made += [build.gateway_route("empty", gateway=GATEWAY, service="empty.prod", prefix="/p-sixteen-chars")]
    return build.definition(*made, name=given["mesh"])


def _node(name: str, letter: str) -> Any:  # noqa: ANN401 - a document
    discovery = {"dns": {"hostname": f"{letter}.prod.svc.cluster.local"}}
    return build.node(name, port=8080, serviceDiscovery=discovery)


def _policy(observed: Json) -> Json:
    """The file abbreviates a duration."""
    seconds = int(observed["perRetryTimeout"].removesuffix("s"))
    return {**observed, "perRetryTimeout": {"unit": "s", "value": seconds}}


@cache
def ours() -> dict[str, Json]:
    """What the gateway gets, by `type name`."""
    made = definition()
    assert check(made) == ()
    snapshot = compile_mesh(made, surroundings(), "east").snapshot
    return {f"{r.type} {r.name}": decoded(r) for r in resources(snapshot, f"gateway/{GATEWAY}@1.40")}


@cache
def observed_ingress() -> list[Json]:
    (host,) = said()["xds"]["routes"]["rds_ingress_http_8088"]["virtual_hosts"]
    routes: list[Json] = host["routes_in_order"]
    return routes


def ingress() -> list[Json]:
    (host,) = ours()["rds ingress/8088"]["virtual_hosts"]
    routes: list[Json] = host["routes"]
    return routes


def inside() -> Json:
    return ours()["cds self/8088"]


def observed_egress() -> Json:
    """The one route of a service."""
    host = said()["xds"]["routes"]["rds_egress_http_15001"]["virtual_hosts"][0]
    return host["routes"][0]["route"]


def egress(service: str) -> Json:
    """The one route of a service, inside the gateway."""
    (host,) = ours()["rds outbound"]["virtual_hosts"]
    (found,) = (r for r in host["routes"] if _asks(r) == service)
    return found["route"]


def _asks(route: Json) -> str | None:
    headers = route["match"].get("headers", [{}])
    return next((h["string_match"]["exact"] for h in headers if h.get("name") == HEADER), None)


def hcm(listener: str) -> Json:
    (chain,) = ours()[f"lds {listener}"]["filter_chains"]
    return chain["filters"][-1]["typed_config"]


def prefixes(routes: Iterable[Json]) -> list[str]:
    return [route["match"]["prefix"] for route in routes]


def test_a_gateways_longest_prefixes_come_first() -> None:
    """As far as the observation is of routes without a priority: up to the last three."""
    observed = [len(p.rstrip("/")) for p in prefixes(observed_ingress()[:-3])]
    assert observed == sorted(observed, reverse=True)
    made = [len(p.rstrip("/")) for p in prefixes(ingress())]
    assert made == sorted(made, reverse=True)


@pytest.mark.parametrize(
    ("prefix", "spellings"),
    [("/svc-a/admin-long", {"/svc-a/admin-long/", "/svc-a/admin-long"}), ("/hot/", {"/hot/"}), ("/", {"/"})],
)
def test_a_prefix_without_a_slash_at_its_end_is_two(prefix: str, spellings: set[str]) -> None:
    seen = {p for p in prefixes(observed_ingress()) if p.rstrip("/") == "/q-sixteen-chars"}
    assert seen == {"/q-sixteen-chars/", "/q-sixteen-chars"}
    assert {p for p in prefixes(ingress()) if p.rstrip("/") == prefix.rstrip("/")} == spellings


def test_both_spellings_are_rewritten_to_the_root_and_the_host_to_the_services_name() -> None:
    for prefix in ("/q-sixteen-chars/", "/q-sixteen-chars"):
        observed = next(r["route"] for r in observed_ingress() if r["match"]["prefix"] == prefix)
        assert (observed["prefix_rewrite"], observed["host_rewrite_literal"]) == ("/", "b.prod")
    for prefix in ("/svc-a/admin-long/", "/svc-a/admin-long"):
        made = next(r["route"] for r in ingress() if r["match"]["prefix"] == prefix)
        assert (made["prefix_rewrite"], made["host_rewrite_literal"]) == ("/", "a.prod")


def test_a_host_that_is_kept_is_not_rewritten_and_the_header_names_the_service() -> None:
    observed = next(r for r in observed_ingress() if r["match"]["prefix"] == "/hot/")
    made = next(r for r in ingress() if r["match"]["prefix"] == "/hot/")
    assert "host_rewrite_literal" not in observed["route"].keys() | made["route"].keys()
    assert observed["request_headers_to_add"] == [{"key": HEADER, "value": "d.prod"}]
    assert [added["header"] for added in made["request_headers_to_add"]] == [{"key": HEADER, "value": "d.prod"}]
    assert egress("d.prod")["weighted_clusters"]


def test_a_service_without_routes_is_gone_to_and_has_none() -> None:
    observed = next(r for r in observed_ingress() if r["match"]["prefix"] == "/p-sixteen-chars")
    made = next(r for r in ingress() if r["match"]["prefix"] == "/p-sixteen-chars")
    assert observed["route"]["prefix_rewrite"] == made["route"]["prefix_rewrite"] == "/"
    (host,) = ours()["rds outbound"]["virtual_hosts"]
    assert [r for r in host["routes"] if _asks(r) == "empty.prod"] == []


@pytest.mark.parametrize("service", ["a.prod", "d.prod", "e.prod"])
def test_targets_without_weight_stay(service: str) -> None:
    observed = [c["weight"] for c in observed_egress()["weighted_clusters"]["clusters"]]
    made = [c["weight"] for c in egress(service)["weighted_clusters"]["clusters"]]
    assert made == observed == [0, 100]


@pytest.mark.parametrize("service", ["a.prod", "d.prod", "e.prod"])
def test_a_services_time_limit_and_retries(service: str) -> None:
    observed, made = observed_egress(), egress(service)
    assert made["timeout"] == observed["timeout"] == "15s"
    theirs, our = observed["retry_policy"], made["retry_policy"]
    assert set(our["retry_on"].split(",")) == set(theirs["retry_on"].split(","))
    for member in ("num_retries", "per_try_timeout", "retriable_status_codes", "host_selection_retry_max_attempts"):
        assert our[member] == theirs[member], member
    assert [p["name"] for p in our["retry_host_predicate"]] == [p["name"] for p in theirs["retry_host_predicate"]]


def test_circuits_are_never_broken_by_clients() -> None:
    observed = said()["xds"]["clusters"][0]["circuit_breakers"]
    breakers = [c["circuit_breakers"] for name, c in ours().items() if name.startswith("cds node/")]
    assert len(breakers) == 6
    assert all(b == observed for b in breakers)
    assert inside()["circuit_breakers"] == observed


@pytest.mark.parametrize(("listener", "direction"), [("ingress/8088", "INBOUND"), ("outbound", "OUTBOUND")])
def test_what_every_http_chain_has(listener: str, direction: str) -> None:
    observed = said()["xds"]["listeners"][0]["hcm"]
    made = hcm(listener)
    for member in ("normalize_path", "merge_slashes"):
        assert made[member] is observed[member] is True, member
    assert [u["upgrade_type"] for u in made["upgrade_configs"]] == [
        u["upgrade_type"] for u in observed["upgrade_configs"]
    ]
    assert observed["path_with_escaped_slashes_action"] == "KEEP_UNCHANGED" == made["path_with_escaped_slashes_action"]
    assert made["rds"]["config_source"] == observed["rds"]["config_source"]
    assert "tracing" in observed.keys() - made.keys(), "ours has none until it is asked for"
    assert ours()[f"lds {listener}"]["traffic_direction"] == direction
    assert made["http_filters"][-1]["name"] == observed["http_filters"][-1] == "envoy.filters.http.router"


DIFFERENT: dict[str, tuple[Callable[[], Json], Callable[[], Json], Json, Json]] = {
    "the way into the mesh has no time limit, or it would cut what the service's own route allows": (
        lambda: observed_ingress()[-1]["route"]["timeout"], lambda: ingress()[-1]["route"]["timeout"], "15s", "0s",
    ),
    "a prefix that becomes itself is not rewritten, which is the same": (
        lambda: next(r for r in observed_ingress() if r["match"]["prefix"] == "/hot/")["route"].get("prefix_rewrite"),
        lambda: next(r for r in ingress() if r["match"]["prefix"] == "/hot/")["route"].get("prefix_rewrite"),
        "/hot/", None,
    ),
    "both spellings of one prefix stand together: which of two routes is tried first depends on their prefixes alone": (
        lambda: [p.endswith("/") for p in prefixes(observed_ingress()[:4])],
        lambda: [p.endswith("/") for p in prefixes(ingress()[:4])],
        [True, True, False, False], [True, False, True, False],
    ),
    "every request names its service by the header, so that no caller's Host does": (
        lambda: "request_headers_to_add" in observed_ingress()[-1],
        lambda: "request_headers_to_add" in ingress()[-1],
        False, True,
    ),
    "the sum of weights is not said: Envoy adds them up, and has deprecated the field": (
        lambda: observed_egress()["weighted_clusters"].get("total_weight"),
        lambda: egress("e.prod")["weighted_clusters"].get("total_weight"),
        100, None,
    ),
    "a retry goes to another priority too, because other clusters are that": (
        lambda: "retry_priority" in observed_egress()["retry_policy"],
        lambda: "retry_priority" in egress("e.prod")["retry_policy"],
        False, True,
    ),
    "between regions a lost packet alone takes a second, so connecting may take two": (
        lambda: said()["xds"]["clusters"][0]["connect_timeout"],
        lambda: ours()["cds node/e-primary_prod/8080"]["connect_timeout"],
        "1s", "2s",
    ),
    "the gateway's own outbound is within the process, without a TCP hop": (
        lambda: list(said()["xds"]["clusters"][1]["endpoint"]),
        lambda: list(inside()["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]),
        ["address", "port_value"], ["envoy_internal_address"],
    ),
    "addresses come from the agent, which has resolved them: Envoy is told, and does not ask DNS": (
        lambda: said()["xds"]["clusters"][0]["type"],
        lambda: ours()["cds node/e-primary_prod/8080"]["type"],
        "LOGICAL_DNS", "EDS",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("theirs", "our", "observed", "made"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_is_different_by_intent(
    theirs: Callable[[], Json], our: Callable[[], Json], observed: Json, made: Json
) -> None:
    assert (theirs(), our()) == (observed, made)
