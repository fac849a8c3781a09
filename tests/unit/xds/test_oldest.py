"""What an Envoy of App Mesh's image gets holds nothing that Envoy 1.34, its last, does not know."""

from collections.abc import Iterator
from typing import Any

import pytest
from envoy.config.endpoint.v3 import endpoint_pb2
from google.protobuf import json_format

from isthmus.xds.aws_image import compose_gateway, compose_node
from isthmus.xds.decoded import decoded
from isthmus.xds.oldest import NEWER, OLDEST
from isthmus.xds.snapshot import Resource, Snapshot, Type
from tests.golden.cases import Case, cases, resources

ALL = list(cases())

KNOWN = {
    f"envoy.extensions.{name}"
    for name in (
        "access_loggers.file.v3.FileAccessLog",
        "access_loggers.stream.v3.StderrAccessLog",
        "access_loggers.stream.v3.StdoutAccessLog",
        "filters.http.buffer.v3.Buffer",
        "filters.http.compressor.v3.Compressor",
        "filters.http.cors.v3.Cors",
        "filters.http.decompressor.v3.Decompressor",
        "filters.http.ext_authz.v3.ExtAuthz",
        "filters.http.ext_proc.v3.ExternalProcessor",
        "filters.http.fault.v3.HTTPFault",
        "filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "filters.http.header_mutation.v3.HeaderMutation",
        "filters.http.header_to_metadata.v3.Config",
        "filters.http.jwt_authn.v3.JwtAuthentication",
        "filters.http.local_ratelimit.v3.LocalRateLimit",
        "filters.http.lua.v3.Lua",
        "filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig",
        "filters.http.ratelimit.v3.RateLimit",
        "filters.http.rbac.v3.RBAC",
        "filters.http.router.v3.Router",
        "filters.http.wasm.v3.Wasm",
        "filters.listener.original_dst.v3.OriginalDst",
        "filters.listener.tls_inspector.v3.TlsInspector",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "filters.network.local_ratelimit.v3.LocalRateLimit",
        "filters.network.ratelimit.v3.RateLimit",
        "filters.network.rbac.v3.RBAC",
        "filters.network.tcp_proxy.v3.TcpProxy",
        "formatter.req_without_query.v3.ReqWithoutQuery",
        "retry.host.previous_hosts.v3.PreviousHostsPredicate",
        "retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        "transport_sockets.tls.v3.UpstreamTlsContext",
        "upstreams.http.v3.HttpProtocolOptions",
    )
}
"""Closed: before one is added, Envoy's release notes must say that 1.34 has it; else it goes into `NEWER`."""


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.path.parent.name}/{case.path.stem}")
def test_nothing_that_is_newer_is_in_what_an_image_gets(case: Case) -> None:
    snapshot = case.compiled().snapshot
    assert {view: strange for view in _views(snapshot) if (strange := _types(_composed(snapshot, view)) - KNOWN)} == {}


def test_each_that_is_left_out_is_in_some_view_and_newer() -> None:
    made = [case.compiled().snapshot for case in ALL]
    assert NEWER.keys() <= {
        t for snapshot in made for view in _views(snapshot) for t in _types(resources(snapshot, view))
    }
    assert all(since > OLDEST for since in NEWER.values())
    assert not NEWER.keys() & KNOWN


def _views(snapshot: Snapshot) -> list[str]:
    return [view for view in snapshot.manifest.views if view.startswith(("node/", "gateway/"))]


def _composed(snapshot: Snapshot, view: str) -> Iterator[Resource]:
    compose = compose_node if view.startswith("node/") else compose_gateway
    return (each.resource for each in compose(resources(snapshot, view), {}))


def _types(listed: Any) -> set[str]:  # noqa: ANN401 - an iterable of resources
    return {url.rpartition("/")[2] for resource in listed for url in _urls(_json(resource))}


def _json(resource: Resource) -> Any:  # noqa: ANN401 - JSON
    if resource.type != Type.ENDPOINTS:
        return decoded(resource)
    return json_format.MessageToDict(endpoint_pb2.ClusterLoadAssignment.FromString(resource.body))


def _urls(body: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Every type that is said: of what is there, and of what a slot may hold, for which Envoy demands a factory too."""
    if isinstance(body, dict):
        yield from (body[key] for key in ("@type",) if key in body)
        yield from body.get("type_urls", ())
        body = list(body.values())
    if isinstance(body, list):
        for each in body:
            yield from _urls(each)
