"""Which requests from outside a gateway route takes: each kind of match with one that it takes and one that it leaves.

What matches goes to the service `green.local`, the rest to `blue.local`.
"""

from typing import Any

import pytest

from isthmus.model.document import Document
from tests import build
from tests.contract.envoy.scenes import PORT, REST, Call, Request, scene
from tests.contract.envoy.stage import DOOR, SIDE_DOOR, Stage

Json = Any
BLUE, GREEN = "blue.local", "green.local"


def services(protocol: str = "http") -> tuple[Document, ...]:
    """One service for each node, and a way from outside to blue for what nothing else takes."""
    rest = build.gateway_route("rest", service=BLUE, priority=REST, protocol=protocol)
    return build.service(BLUE, node="blue"), build.service(GREEN, node="green"), rest


def header(how: Json, *, invert: bool = False) -> Json:
    said = {"name": "x-a"} | ({"match": how} if how else {}) | ({"invert": True} if invert else {})
    return {"prefix": "/", "headers": [said]}


def having(value: str) -> Request:
    return Request(headers={"x-a": value})


def named(**how: str) -> Json:
    return {"prefix": "/", "hostname": how}


def host(name: str) -> Request:
    return Request(host=name)


REGEX, RANGE = {"regex": "b[lu]+e"}, {"range": {"start": 1, "end": 100}}
Q = {"prefix": "/", "queryParameters": [{"name": "q", "match": {"exact": "blue"}}]}

MATCHES: dict[str, tuple[Json, Request, Request]] = {
    "a prefix": ({"prefix": "/a/"}, Request("/a/b"), Request("/b/a")),
    "a prefix without a slash": ({"prefix": "/a"}, Request("/a"), Request("/b")),
    "a prefix without a slash is a text, not a segment": ({"prefix": "/a"}, Request("/ab"), Request("/")),
    "a prefix with a slash is not the same without": ({"prefix": "/a/"}, Request("/a/"), Request("/a")),
    "an exact path": ({"path": {"exact": "/a"}}, Request("/a?q"), Request("/a/")),
    "a regular expression of the path": ({"path": {"regex": "/[ab]+"}}, Request("/abba"), Request("/abc")),
    "a method": ({"prefix": "/", "method": "POST"}, Request("/", "POST"), Request()),
    "a host": (named(exact="shop.example"), host("shop.example"), host("a.shop.example")),
    "a host in any case and with any port": (
        named(exact="Shop.example"),
        host("sHOP.example:81"),
        host("shop.examplf"),
    ),
    "a host's end": (named(suffix=".example"), host("a.b.example"), host("example")),
    "a host's end in any case and with any port": (named(suffix=".eXample"), host("A.Example:81"), host("a.example.b")),
    "a header's value": (header({"exact": "blue"}), having("blue"), having("blues")),
    "a header's beginning": (header({"prefix": "bl"}), having("black"), having("a black")),
    "a header's end": (header({"suffix": "ue"}), having("true"), having("truer")),
    "a header's regular expression": (header(REGEX), having("bulue"), having("bulues")),
    "a header's range": (header(RANGE), having("99"), having("100")),
    "a header that is there": (header(None), having(""), Request()),
    "a header that is not there": (header(None, invert=True), Request(), having("")),
    "any value but one": (header({"exact": "blue"}, invert=True), having("red"), having("blue")),
    "a query parameter": (Q, Request("/?a&q=blue"), Request("/?q=blues")),
    "a query parameter that is there": ({"queryParameters": [{"name": "q"}]}, Request("/?q"), Request("/?p")),
    "host, path and method at once": (
        {"hostname": {"exact": "shop.example"}, "prefix": "/a/", "method": "PUT"},
        Request("/a/", "PUT", host="shop.example"),
        Request("/a/", "GET", host="shop.example"),
    ),
}


@pytest.mark.parametrize(("match", "taken", "left"), MATCHES.values(), ids=MATCHES)
def test_a_gateway_route_takes_what_matches_and_nothing_else(
    stage: Stage, where: str, match: Json, taken: Request, left: Request
) -> None:
    stage.apply(scene(where, *services(), build.gateway_route("narrow", service=GREEN, match=match, priority=0)))
    assert (taken.entering(stage).by, left.entering(stage).by) == (f"green-{where}", f"blue-{where}")


def test_an_http2_gateway_takes_requests_by_the_same_rules(stage: Stage, where: str) -> None:
    narrow = build.gateway_route("narrow", service=GREEN, prefix="/a/", protocol="http2", priority=0)
    stage.apply(scene(where, *services("http2"), narrow, protocol="http2"))
    assert [Request(path).entering(stage).by for path in ("/a/", "/b")] == [f"green-{where}", f"blue-{where}"]


PICKER = {"serviceName": "color.Picker"}
METADATA = {"metadata": [{"name": "x-a", "match": {"prefix": "bl"}}]}
INVERTED = {"metadata": [{"name": "x-a", "match": RANGE, "invert": True}]}
NAMED = {"hostname": {"suffix": ".example"}}
CALLS: dict[str, tuple[Json, Call, Call]] = {
    "a service": (PICKER, Call("/color.Picker/Pick"), Call("/color.Picker2/Pick")),
    "a metadata": (METADATA, Call(metadata=(("x-a", "black"),)), Call(metadata=(("x-a", "red"),))),
    "a metadata out of a range": (INVERTED, Call(metadata=(("x-a", "100"),)), Call(metadata=(("x-a", "99"),))),
    "a host's end": (NAMED, Call(host="a.example"), Call(host="a.example.org")),
    "a host": ({"hostname": {"exact": "a.example"}}, Call(host="a.example"), Call(host="b.a.example")),
    "a service and a host": (PICKER | NAMED, Call(host="a.example"), Call("/color.Mixer/Mix", host="a.example")),
}


@pytest.mark.parametrize(("match", "taken", "left"), CALLS.values(), ids=CALLS)
def test_a_grpc_gateway_route_takes_calls_that_match_and_no_others(
    stage: Stage, where: str, match: Json, taken: Call, left: Call
) -> None:
    narrow = build.gateway_route("narrow", service=GREEN, match=match, protocol="grpc", priority=0)
    stage.apply(scene(where, *services("grpc"), narrow, protocol="grpc"))
    arrived = [call.entering(stage).said["app"] for call in (taken, left)]
    assert arrived == [f"green-{where}", f"blue-{where}"]


def test_a_grpc_gateway_route_takes_nothing_but_grpc(stage: Stage, where: str) -> None:
    stage.apply(scene(where, *services("grpc"), protocol="grpc"))
    assert Request("/color.Picker/Pick", "POST").entering(stage).status == 404
    assert Call().entering(stage).said["app"] == f"blue-{where}"


PRIORITIES: dict[str, tuple[Json, Json, str]] = {
    "the smaller number first, however wide it is": ((1, {"prefix": "/"}), (2, {"prefix": "/a/"}), "blue"),
    "the smaller number first, whatever its name": ((2, {"prefix": "/"}), (1, {"prefix": "/"}), "green"),
    "0 is a priority": ((0, {"prefix": "/"}), (1, {"prefix": "/a/"}), "blue"),
    "one that says none comes before those that do": ((0, {"prefix": "/a/"}), (None, {"prefix": "/"}), "green"),
    "where none is said the longer prefix": ((None, {"prefix": "/"}), (None, {"prefix": "/a/"}), "green"),
    "where none is said the exact path": ((None, {"prefix": "/a/b"}), (None, {"path": {"exact": "/a/b"}}), "green"),
    "among equals the narrower host": ((3, named(suffix=".local")), (3, named(exact=build.SERVICE)), "green"),
    "among equals a host before a path": ((3, {"prefix": "/a/"}), (3, named(suffix=".local")), "green"),
}


@pytest.mark.parametrize(("blue", "green", "taker"), PRIORITIES.values(), ids=PRIORITIES)
def test_of_two_gateway_routes_that_match_one_takes_the_request(
    stage: Stage, where: str, blue: Json, green: Json, taker: str
) -> None:
    made = [
        build.gateway_route(name, service=service, match=match, priority=priority)
        for name, service, (priority, match) in (("a", BLUE, blue), ("b", GREEN, green))
    ]
    known = [build.service(BLUE, node="blue"), build.service(GREEN, node="green")]
    stage.apply(scene(where, *known, *made))
    assert Request("/a/b").entering(stage).by == f"{taker}-{where}"


def test_each_of_a_gateways_listeners_has_its_own_routes(stage: Stage, where: str) -> None:
    doors = build.gateway(ports={DOOR: "http", SIDE_DOOR: "http"})
    routes = [
        build.gateway_route(name, service=service, match={"prefix": "/", "port": port})
        for name, service, port in (("rest", BLUE, DOOR), ("side", GREEN, SIDE_DOOR))
    ]
    stage.apply(scene(where, *services(), doors, *routes))
    assert [stage.enter("any", port=port).by for port in (DOOR, SIDE_DOOR)] == [f"blue-{where}", f"green-{where}"]


def test_listeners_of_one_gateway_may_speak_differently(stage: Stage, where: str) -> None:
    doors = build.gateway(ports={DOOR: "http", SIDE_DOOR: "grpc"})
    blue = build.node("blue", port=PORT["grpc"], protocol="grpc")
    rest = build.gateway_route("rest", service=BLUE, protocol="grpc", match={"port": SIDE_DOOR})
    web = build.gateway_route("web", service=GREEN, match={"prefix": "/", "port": DOOR})
    stage.apply(scene(where, *services(), blue, doors, rest, web))
    assert stage.enter("any").by == f"green-{where}"
    assert stage.enter_call("any", "/a.B/C", port=SIDE_DOOR).said["app"] == f"blue-{where}"


def test_what_no_gateway_route_takes_is_not_found(stage: Stage, where: str) -> None:
    stage.apply(scene(where, *services(), build.gateway_route("rest", service=BLUE, prefix="/a/")))
    assert [Request(path).entering(stage).by for path in ("/a/", "/b")] == [f"blue-{where}", "404"]
