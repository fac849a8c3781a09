"""A refusal of a real Envoy is led back to the tenant's document and field, wherever in the mesh it comes from.

The compiler is broken on purpose and in one place at a time: it must not take a mistake of ours to test this.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2

from gateway.envoy.findings import Finding, findings, resources
from gateway.envoy.validate import Validator
from isthmus.model.definition import Definition
from isthmus.model.key import Key
from isthmus.xds import names
from isthmus.xds.compile import compile_mesh
from isthmus.xds.origins import Known
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, Type
from isthmus.xds.sources import packed
from tests import build
from tests.golden.cases import MESH_ID, surroundings

Break = Callable[[str, Resource], Resource]
RETRIES = {"maxRetries": 7, "perRetryTimeout": {"unit": "s", "value": 1}, "httpRetryEvents": ["server-error"]}
EJECTION = {
    "maxServerErrors": 9,
    "interval": {"unit": "s", "value": 5},
    "baseEjectionDuration": {"unit": "s", "value": 5},
    "maxEjectionPercent": 50,
}
IDLE = {"timeout": {"http": {"idle": {"unit": "s", "value": 77}}}}
MESH = build.mesh(
    build.route(targets={"blue": 1}, retryPolicy=RETRIES),
    build.route("sound", targets={"green": 1}, prefix="/sound"),
    build.node("green", listener={"outlierDetection": EJECTION}),
    build.node("blue", listener=IDLE),
)


def compiling(broken: Break) -> Callable[[Definition], Snapshot]:
    """A compiler that breaks what `broken` breaks."""

    def compiled(definition: Definition) -> Snapshot:
        good = compile_mesh(definition, surroundings(), "east").snapshot
        views = {
            view: tuple([broken(view, good.resources[ref.version]) for ref in half] for half in parts)
            for view, parts in good.manifest.views.items()
        }
        return Snapshot.of(views)  # type: ignore[arg-type]

    return compiled


def found(broken: Break, validator: Validator | None = None) -> tuple[Finding, ...]:
    known = Known.of("shop", MESH_ID, ["front", "blue", "green"])
    return findings(MESH, compiling(broken), known, validator or Validator())


def _bad_retries(_view: str, resource: Resource) -> Resource:
    """A route that tries seven times gets a regex that is none."""
    if resource.type != Type.ROUTES:
        return resource
    message = route_pb2.RouteConfiguration.FromString(resource.body)
    for route in (route for host in message.virtual_hosts for route in host.routes):
        if route.route.retry_policy.num_retries.value == 7:
            route.match.safe_regex.regex = "["
    return replace(resource, body=message.SerializeToString(deterministic=True))


def _bad_ejection(_view: str, resource: Resource) -> Resource:
    """A backend that is ejected after nine errors gets an interval that is none."""
    if resource.type != Type.CLUSTER:
        return resource
    message = cluster_pb2.Cluster.FromString(resource.body)
    if message.outlier_detection.consecutive_5xx.value == 9:
        message.outlier_detection.interval.seconds = -1
    return replace(resource, body=message.SerializeToString(deterministic=True))


def _bad_idle(_view: str, resource: Resource) -> Resource:
    """A route that may idle for 77 s is led by a header that cannot be."""
    if resource.type != Type.ROUTES:
        return resource
    message = route_pb2.RouteConfiguration.FromString(resource.body)
    for route in (route for host in message.virtual_hosts for route in host.routes):
        if route.route.idle_timeout.seconds == 77:
            route.route.cluster_header = "no\nheader"
    return replace(resource, body=message.SerializeToString(deterministic=True))


def _bad_host(_view: str, resource: Resource) -> Resource:
    """A service says one name twice."""
    if resource.name != names.OUTBOUND or resource.type != Type.ROUTES:
        return resource
    message = route_pb2.RouteConfiguration.FromString(resource.body)
    for host in (host for host in message.virtual_hosts if host.name.startswith("service/")):
        host.domains.append(host.domains[0])
    return replace(resource, body=message.SerializeToString(deterministic=True))


def _bad_listener(view: str, resource: Resource) -> Resource:
    """A gateway's listener has a filter behind its last."""
    if not view.startswith("gateway/") or not resource.name.startswith("ingress/") or resource.type != Type.LISTENER:
        return resource
    message = listener_pb2.Listener.FromString(resource.body)
    message.filter_chains[0].filters.add(name="none").typed_config.type_url = "type.googleapis.com/no.such.Filter"
    return replace(resource, body=message.SerializeToString(deterministic=True))


def _bad_slot(view: str, resource: Resource) -> Resource:
    """A node's slot holds what no slot may."""
    if view != "node/blue@1.40" or resource.name != "inbound/8080/http/jwt":
        return resource
    message = extension_pb2.TypedExtensionConfig.FromString(resource.body)
    message.typed_config.type_url = "type.googleapis.com/no.such.Filter"
    return replace(resource, body=message.SerializeToString(deterministic=True))


BLUE, GREEN, GATEWAY = Key("VirtualNode", "blue"), Key("VirtualNode", "green"), Key("VirtualGateway", "ingress")


@pytest.mark.parametrize(
    ("broken", "key", "pointer", "part", "words"),
    [
        (
            _bad_retries, Key("Route", "all", "router"), "/spec/httpRoute/retryPolicy/maxRetries",
            "rds outbound route/router/all", "missing ]",
        ),
        (
            _bad_ejection, GREEN, "/spec/listeners/0/outlierDetection/maxServerErrors",
            "cds node/green/8080", "Invalid duration",
        ),
        (
            _bad_idle, BLUE, "/spec/listeners/0/timeout/http/idle/value",
            "rds inbound/8080 inbound/8080", "ClusterHeader",
        ),
        (
            _bad_host, Key("VirtualService", "colors.local"), "/spec",
            "rds outbound service/colors.local", "Duplicate entry of domain colors.local",
        ),
        (_bad_listener, GATEWAY, "/spec/listeners/0", "lds ingress/9080", "must be the last filter"),
        (_bad_slot, BLUE, "/spec/listeners/0", "ecds inbound/8080/http/jwt", "no.such.Filter"),
    ],
    ids=["a route", "a backend", "a node's own routes", "a virtual host", "a listener", "a slot"],
)  # fmt: skip
def test_a_refusal_names_document_and_field(broken: Break, key: Key, pointer: str, part: str, words: str) -> None:
    (finding,) = found(broken)
    assert (finding.key, finding.pointer, finding.part) == (key, pointer, part)
    assert words in finding.words
    assert "isthmus-validate" not in finding.words


def test_all_that_is_refused_is_told_once_with_every_view_of_it() -> None:
    told = found(lambda view, resource: _bad_ejection(view, _bad_retries(view, resource)))
    assert {finding.key for finding in told} == {Key("Route", "all", "router"), GREEN}
    assert {finding.views for finding in told} == {("gateway/ingress@1.40", "node/front@1.40")}


def test_nothing_is_told_of_what_envoy_accepts() -> None:
    assert found(lambda _view, resource: resource) == ()


def test_a_part_that_is_refused_in_company_only_is_told_as_the_table_it_is_in() -> None:
    """Two virtual hosts for one domain, each of which would do alone."""

    def twice(_view: str, resource: Resource) -> Resource:
        if resource.name != names.OUTBOUND or resource.type != Type.ROUTES:
            return resource
        message = route_pb2.RouteConfiguration.FromString(resource.body)
        message.virtual_hosts.add(name=names.OTHERWISE, domains=["*"])
        return replace(resource, body=message.SerializeToString(deterministic=True))

    told = found(twice)
    assert {finding.part for finding in told} == {"rds outbound"}
    assert all("Only" in finding.words and finding.pointer == "/spec" for finding in told)


def test_views_are_validated_together_and_equal_ones_once() -> None:
    nodes = [build.node(f"n{i}", backends=["colors.local"]) for i in range(30)]
    snapshot = compile_mesh(build.mesh(*nodes), surroundings(), "east").snapshot
    views = {view: resources(snapshot, view) for view in snapshot.manifest.views if view != AGENT_VIEW}
    validator, told = Validator(), list[tuple[int, int]]()
    assert validator.refusals(views, lambda done, of: told.append((done, of))) == {}
    assert validator.runs <= 2
    assert told[-1] == (len(views), len(views))
    before = validator.runs
    assert validator.refusals(views) == {}
    assert validator.runs == before


def test_one_bad_view_among_many_is_found() -> None:
    nodes = [build.node(f"n{i}", port=9000 + i, backends=["colors.local"]) for i in range(60)]
    snapshot = compile_mesh(build.mesh(*nodes), surroundings(), "east").snapshot
    views = {view: resources(snapshot, view) for view in snapshot.manifest.views if view != AGENT_VIEW}
    views["node/n41@1.40"] = _without_app(views["node/n41@1.40"])
    validator = Validator()
    assert validator.refusals(views) == {"node/n41@1.40": "route: unknown cluster 'app/9041'"}
    assert validator.runs < 20


def _without_app(view: Iterable[Resource]) -> tuple[Resource, ...]:
    return tuple(resource for resource in view if not resource.name.startswith("app/"))


@pytest.mark.parametrize("path", ["/no/such/folder/access.log", "/dev/null"], ids=["not here", "on every machine"])
def test_a_log_that_cannot_be_opened_here_is_replaced_and_told(path: str) -> None:
    def logging(_view: str, resource: Resource) -> Resource:
        if resource.name != names.OUTBOUND or resource.type != Type.LISTENER:
            return resource
        message = listener_pb2.Listener.FromString(resource.body)
        message.access_log.add(name="file", typed_config=packed(file_pb2.FileAccessLog(path=path)))
        return replace(resource, body=message.SerializeToString(deterministic=True))

    validator = Validator()
    assert found(logging, validator) == ()
    assert validator.replaced == ({f"access log {path}: a temporary file"} if path.startswith("/no") else set())
