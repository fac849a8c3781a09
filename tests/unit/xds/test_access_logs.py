"""Where a log stands in a listener, who shares a listener with whom, and what the image's Envoy is given of a log."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from isthmus.ir.mesh import AccessLog
from isthmus.model.log_operators import OPERATORS
from isthmus.xds import access_logs, names
from isthmus.xds.aws_image import compose_gateway, compose_node
from isthmus.xds.compile import compile_mesh
from isthmus.xds.oldest_logs import UNKNOWN, without_newer
from isthmus.xds.proxy import Composed
from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.golden.cases import surroundings

STATS, FILE = "envoy.access_loggers.stats", "envoy.access_loggers.file"
PORTS = {8080: "http", 9090: "grpc", 9999: "tcp"}


def logging(text: str, path: str = "/logs/access") -> build.Json:
    return {"accessLog": {"file": {"path": path, "format": {"text": text}}}}


LOG = logging("%RESPONSE_CODE% %LISTENER_NAME% %DYNAMIC_METADATA(a:b):3% 100%%\n")
MESH = build.mesh(
    build.node("loud", ports=PORTS, logging=LOG),
    build.node("as-loud", ports=PORTS, logging=LOG),
    build.node("otherwise-loud", ports=PORTS, logging=logging("%PROTOCOL%")),
    build.node("quiet", ports=PORTS),
    build.node("as-quiet", ports=PORTS, logging={}),
    build.gateway("edge", logging=LOG),
)


def view(name: str) -> list[Resource]:
    snapshot = compile_mesh(MESH, surroundings(), "east").snapshot
    return [snapshot.resources[r.version] for r in snapshot.manifest.refs(f"{name}@1.40")]


def listeners(name: str) -> dict[str, bytes]:
    """All that have logs: nobody logs questions for names."""
    return {r.name: r.body for r in view(name) if r.type == Type.LISTENER and r.name != names.DNS}


def logs(bodies: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Listener → the loggers of its chains, chain after chain."""
    return {name: [log.name for log in _logs(listener_pb2.Listener.FromString(b))] for name, b in bodies.items()}


def _logs(listener: listener_pb2.Listener) -> Iterator[accesslog_pb2.AccessLog]:
    for filter_ in (filter_ for chain in listener.filter_chains for filter_ in chain.filters):
        if filter_.name == "envoy.filters.network.http_connection_manager":
            yield from hcm_pb2.HttpConnectionManager.FromString(filter_.typed_config.value).access_log
        if filter_.name == "envoy.filters.network.tcp_proxy":
            yield from tcp_proxy_pb2.TcpProxy.FromString(filter_.typed_config.value).access_log


def text(log: accesslog_pb2.AccessLog) -> str:
    source = file_pb2.FileAccessLog.FromString(log.typed_config.value).log_format.text_format_source
    return str(source.inline_string)


def test_a_log_stands_behind_what_counts_requests_in_every_chain() -> None:
    both = [STATS, FILE]
    assert logs(listeners("node/loud")) == {
        "inbound/8080": both * 3,
        "inbound/9090": both * 3,
        "inbound/9999": [FILE],
        "outbound": both,
    }
    assert logs(listeners("gateway/edge")) == {"ingress/9080": both, "outbound": both}


def test_without_a_log_there_is_none() -> None:
    quiet = listeners("node/quiet")
    assert {name for found in logs(quiet).values() for name in found} == {STATS}
    assert quiet == listeners("node/as-quiet")


def test_listeners_are_shared_by_port_and_log() -> None:
    assert listeners("node/loud") == listeners("node/as-loud")
    assert not set(listeners("node/loud").values()) & set(listeners("node/otherwise-loud").values())
    assert not set(listeners("node/loud").values()) & set(listeners("node/quiet").values())


def test_a_log_changes_nothing_but_listeners() -> None:
    loud, quiet = ({r for r in view(f"node/{name}") if r.type != Type.LISTENER} for name in ("loud", "quiet"))
    assert loud == quiet


@pytest.mark.parametrize(("compose", "name"), [(compose_node, "node/loud"), (compose_gateway, "gateway/edge")])
def test_an_image_writes_what_its_envoy_may_know(compose: Callable[..., list[Composed]], name: str) -> None:
    composed = [each.resource for each in compose(view(name), {})]
    made = [listener_pb2.Listener.FromString(r.body) for r in composed if r.type == Type.LISTENER]
    found = [log for listener in made for log in _logs(listener)]
    assert {log.name for log in found} == {FILE}
    assert {text(log) for log in found} == {"%RESPONSE_CODE% - - 100%%\n"}


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("%PROTOCOL% 5%% %START_TIME(%s)%\n", "%PROTOCOL% 5%% %START_TIME(%s)%\n"),
        ("%SPAN_ID%%REQ(a):3%", "-%REQ(a):3%"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%", "-"),
        ("%METADATA(ROUTE:a)% %METADATA(LISTENER_FILTER_CHAIN:a)%", "%METADATA(ROUTE:a)% -"),
        ("%DYNAMIC_METADATA(a)% %DYNAMIC_METADATA(a):3%", "%DYNAMIC_METADATA(a)% -"),
    ],
)
def test_what_the_images_envoy_may_not_know_is_written_as_a_dash(said: str, left: str) -> None:
    assert without_newer(said) == left


def test_only_operators_that_there_are_can_be_unknown() -> None:
    assert OPERATORS.keys() >= UNKNOWN


def test_the_extension_is_brought_where_it_is_needed_only() -> None:
    def formatters(**said: build.Json) -> list[str]:
        [log] = access_logs.written(AccessLog("/x", **said))
        return [f.name for f in file_pb2.FileAccessLog.FromString(log.typed_config.value).log_format.formatters]

    needed = ["envoy.formatter.req_without_query"]
    assert formatters(text="%REQ_WITHOUT_QUERY(:path)%") == needed
    assert formatters(members=(("a", "%PROTOCOL%"), ("b", "x %REQ_WITHOUT_QUERY(a)%"))) == needed
    assert formatters(text="%REQ(:path)% %%REQ_WITHOUT_QUERY(:path)%%") == []
    assert formatters() == []


@pytest.mark.parametrize(("said", "written"), [("a", "a\n"), ("a\n", "a\n"), ("\n", "\n"), ("a\n\n", "a\n\n")])
def test_a_text_ends_its_line(said: str, written: str) -> None:
    mesh = build.mesh(build.node("front", logging=logging(said)))
    snapshot = compile_mesh(mesh, surroundings(), "east").snapshot
    bodies = [snapshot.resources[r.version] for r in snapshot.manifest.refs("node/front@1.40")]
    [log] = [
        log for r in bodies if r.name == "outbound" and r.type == Type.LISTENER
        for log in _logs(listener_pb2.Listener.FromString(r.body)) if log.name == FILE
    ]  # fmt: skip
    assert text(log) == written
