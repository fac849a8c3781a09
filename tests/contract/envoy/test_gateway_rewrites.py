"""What a gateway changes of a request: host and path, by default and as it is told."""

from typing import Any

import pytest

from tests import build
from tests.contract.envoy.scenes import PORT, Request, scene
from tests.contract.envoy.stage import Stage

Json = Any
OUTSIDE, SERVICE = "shop.example:81", build.SERVICE
KEPT = {"hostname": {"defaultTargetHostname": "DISABLED"}}
DEFAULT = {"hostname": {"defaultTargetHostname": "ENABLED"}}
AS_IT_IS = {"prefix": {"defaultPrefix": "DISABLED"}}
ENABLED = {"prefix": {"defaultPrefix": "ENABLED"}}
EXACT, REGEX = {"path": {"exact": "/a"}}, {"path": {"regex": "/a.*"}}


def to(prefix: str) -> Json:
    return {"prefix": {"value": prefix}}


PATHS: dict[str, tuple[Json, Json, str, str]] = {
    "a matched prefix becomes /": ({"prefix": "/a/"}, None, "/a/b?c=/a/", "/b?c=/a/"),
    "the whole of it too": ({"prefix": "/a/"}, None, "/a/", "/"),
    "a prefix without a slash": ({"prefix": "/a"}, None, "/a/b", "/b"),
    "a prefix without a slash, the whole of it": ({"prefix": "/a"}, None, "/a?b", "/?b"),
    "a prefix without a slash, in a segment": ({"prefix": "/a"}, None, "/ab", "/b"),
    "the prefix / is itself": ({"prefix": "/"}, None, "/a/b", "/a/b"),
    "no path at all is the prefix /": ({"method": "GET"}, None, "/a/b", "/a/b"),
    "as by default, where that is said": ({"prefix": "/a/"}, ENABLED, "/a/b", "/b"),
    "not at all": ({"prefix": "/a/"}, AS_IT_IS, "/a/b", "/a/b"),
    "not at all, without a slash": ({"prefix": "/a"}, AS_IT_IS, "/ab", "/ab"),
    "to another prefix": ({"prefix": "/a/"}, to("/x/y/"), "/a/b", "/x/y/b"),
    "to another prefix, without a slash": ({"prefix": "/a"}, to("/x/"), "/a/b", "/x/b"),
    "to another prefix, without a slash and the whole of it": ({"prefix": "/a"}, to("/x/"), "/a", "/x/"),
    "to itself": ({"prefix": "/a/"}, to("/a/"), "/a/b", "/a/b"),
    "an exact path stays": (EXACT, None, "/a?b", "/a?b"),
    "an exact path becomes another": (EXACT, {"path": {"exact": "/x"}}, "/a?b", "/x?b"),
    "a matched path stays": (REGEX, None, "/a/b", "/a/b"),
    "a matched path becomes another": (REGEX, {"path": {"exact": "/x"}}, "/a/b?c", "/x?c"),
    "a path that follows a query's question mark": (REGEX, {"path": {"exact": "/x"}}, "/a?/a", "/x?/a"),
    "the host's rewrite is none of the path's": ({"prefix": "/a/"}, KEPT, "/a/b", "/b"),
}


@pytest.mark.parametrize(("match", "rewrite", "path", "seen"), PATHS.values(), ids=PATHS)
def test_what_the_path_becomes(stage: Stage, where: str, match: Json, rewrite: Json, path: str, seen: str) -> None:
    service = build.service(node="blue")
    stage.apply(scene(where, service, build.gateway_route(match=match, rewrite=rewrite)))
    answer = stage.enter(OUTSIDE, path)
    assert (answer.by, answer.said["path"]) == (f"blue-{where}", seen)


HOSTS: dict[str, tuple[Json, str]] = {
    "the service's name": (None, SERVICE),
    "the service's name, where that is said": (DEFAULT, SERVICE),
    "the caller's own": (KEPT, OUTSIDE),
    "the path's rewrite is none of the host's": (AS_IT_IS, SERVICE),
    "the caller's own, with the path's": (KEPT | AS_IT_IS, OUTSIDE),
}


@pytest.mark.parametrize("protocol", ["http", "http2"])
@pytest.mark.parametrize(("rewrite", "seen"), HOSTS.values(), ids=HOSTS)
def test_what_the_host_becomes(stage: Stage, where: str, rewrite: Json, seen: str, protocol: str) -> None:
    """Nobody outside can choose the service by App Mesh's own header, and no application sees it."""
    service = build.service(node="blue")
    route = build.gateway_route(rewrite=rewrite, protocol=protocol)
    stage.apply(scene(where, service, route, build.service("other.local", node="green"), protocol=protocol))
    answer = stage.enter(OUTSIDE, headers={"x-app-mesh-virtual-service": "other.local"})
    assert (answer.by, answer.said["headers"]["host"]) == (f"blue-{where}", seen)
    assert "x-app-mesh-virtual-service" not in answer.said["headers"].keys() | answer.headers.keys()


@pytest.mark.parametrize(("rewrite", "seen"), [(None, SERVICE), (DEFAULT, SERVICE), (KEPT, "shop.example")])
def test_what_the_host_of_a_call_becomes(stage: Stage, where: str, rewrite: Json, seen: str) -> None:
    """The call goes to a service of requests, because gRPC's own server does not tell what host was asked for."""
    service = build.service(node="blue")
    rest = build.gateway_route(rewrite=rewrite, protocol="grpc")
    nodes = [build.node(node, port=PORT["http2"], protocol="http2") for node in ("front", "blue")]
    stage.apply(scene(where, service, *nodes, rest, protocol="grpc"))
    stage.enter_call("shop.example", "/color.Picker/Pick")
    (asked,) = stage.app(f"blue-{where}", PORT["http2"]).asked
    assert (asked.path, asked.headers["host"]) == ("/color.Picker/Pick", seen)


def test_a_request_is_not_rewritten_twice(stage: Stage, where: str) -> None:
    """What is left of the path matches a prefix again; it has been through the gateway's routes once."""
    stage.apply(scene(where, build.service(node="blue"), build.gateway_route(prefix="/a/")))
    assert Request("/a/a/a/b").entering(stage).said["path"] == "/a/a/b"


def test_the_callers_host_does_not_choose_the_service(stage: Stage, where: str) -> None:
    """Of two services behind one gateway, a route that keeps the host leads to its own, whatever host that is."""
    made = [build.service(SERVICE, node="blue"), build.service("green.local", node="green")]
    open_to_all = build.gateway_route("open", prefix="/open/", rewrite=KEPT)
    private = build.gateway_route("private", service="green.local", match={"path": {"exact": "/private"}})
    stage.apply(scene(where, *made, open_to_all, private))
    answers = [stage.enter("green.local", path) for path in ("/open/a", "/private")]
    assert [answer.by for answer in answers] == [f"blue-{where}", f"green-{where}"]
    assert answers[0].said["headers"]["host"] == "green.local"
