"""Which requests a route takes: each kind of match with a request that it takes and one that it leaves to the rest."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from isthmus.model.definition import Definition
from tests import build
from tests.contract.envoy.scenes import PORT, Request, narrow, scene
from tests.contract.envoy.stage import HTTP, SECOND, Stage

Json = Any


def header(name: str, how: Json, *, invert: bool = False) -> Json:
    said = {"name": name} | ({"match": how} if how else {}) | ({"invert": True} if invert else {})
    return {"prefix": "/", "headers": [said]}


def headers(**given: str) -> Request:
    return Request(headers={name.replace("_", "-"): value for name, value in given.items()})


def query(*parameters: Json) -> Json:
    return {"prefix": "/", "queryParameters": list(parameters)}


EXACT, PREFIX, SUFFIX = {"exact": "blue"}, {"prefix": "bl"}, {"suffix": "ue"}
REGEX, RANGE = {"regex": "b[lu]+e"}, {"range": {"start": 1, "end": 100}}
TWO = {"prefix": "/", "headers": [{"name": "x-a", "match": EXACT}, {"name": "x-b"}]}

MATCHES: dict[str, tuple[Json, Request, Request]] = {
    "a prefix": ({"prefix": "/a"}, Request("/a/b"), Request("/b/a")),
    "a prefix is a text, not a segment": ({"prefix": "/a"}, Request("/ab"), Request("/A")),
    "a prefix with a slash at its end": ({"prefix": "/a/"}, Request("/a/"), Request("/a")),
    "an exact path": ({"path": {"exact": "/a"}}, Request("/a"), Request("/a/b")),
    "an exact path, whatever is queried": ({"path": {"exact": "/a"}}, Request("/a?b=c"), Request("/a/?b=c")),
    "a path after merging its slashes": ({"path": {"exact": "/a/b"}}, Request("/x/..//a//b"), Request("/a/c")),
    "a regular expression": ({"path": {"regex": "/[ab]+"}}, Request("/abba"), Request("/abc")),
    "a regular expression of the whole path": ({"path": {"regex": "/a"}}, Request("/a"), Request("/a/b")),
    "no path at all": ({"method": "PUT"}, Request("/any", "PUT"), Request("/any", "POST")),
    "a method": ({"prefix": "/", "method": "POST"}, Request("/", "POST"), Request()),
    "another method": ({"prefix": "/", "method": "DELETE"}, Request("/", "DELETE"), Request("/", "PATCH")),
    "HEAD is not GET": ({"prefix": "/", "method": "GET"}, Request(), Request("/", "HEAD")),
    "a scheme": ({"prefix": "/", "scheme": "https"}, headers(x_forwarded_proto="https"), Request()),
    "the other scheme": ({"prefix": "/", "scheme": "http"}, Request(), headers(x_forwarded_proto="https")),
    "a header's value": (header("x-a", EXACT), headers(x_a="blue"), headers(x_a="blues")),
    "a header's name, in any case": (header("X-A", EXACT), headers(x_a="blue"), headers(x_b="blue")),
    "a header's beginning": (header("x-a", PREFIX), headers(x_a="black"), headers(x_a="a black")),
    "a header's end": (header("x-a", SUFFIX), headers(x_a="true"), headers(x_a="truer")),
    "a header's regular expression": (header("x-a", REGEX), headers(x_a="bulue"), headers(x_a="bulues")),
    "a header's range, from its start": (header("x-a", RANGE), headers(x_a="1"), headers(x_a="0")),
    "a header's range, up to before its end": (header("x-a", RANGE), headers(x_a="99"), headers(x_a="100")),
    "a header's range is of numbers": (header("x-a", RANGE), headers(x_a="50"), headers(x_a="5O")),
    "a header that is there": (header("x-a", None), headers(x_a=""), headers(x_b="")),
    "a header that is not there": (header("x-a", None, invert=True), headers(x_b=""), headers(x_a="")),
    "any value but one": (header("x-a", EXACT, invert=True), headers(x_a="red"), headers(x_a="blue")),
    "any beginning but one": (header("x-a", PREFIX, invert=True), headers(x_a="red"), headers(x_a="blue")),
    "any end but one": (header("x-a", SUFFIX, invert=True), headers(x_a="red"), headers(x_a="blue")),
    "what a regular expression is not": (header("x-a", REGEX, invert=True), headers(x_a="red"), headers(x_a="blue")),
    "out of a range": (header("x-a", RANGE, invert=True), headers(x_a="100"), headers(x_a="99")),
    "all headers at once": (TWO, headers(x_a="blue", x_b=""), headers(x_a="blue")),
    "a query parameter's value": (query({"name": "q", "match": EXACT}), Request("/?a&q=blue"), Request("/?q=blues")),
    "an empty query parameter": (query({"name": "q", "match": {"exact": ""}}), Request("/?q="), Request("/?q=1")),
    "a query parameter that is there": (query({"name": "q"}), Request("/?q"), Request("/?p=q")),
    "all query parameters at once": (query({"name": "q"}, {"name": "p"}), Request("/?p&q"), Request("/?q")),
    "everything at once": (
        {"prefix": "/a", "method": "PUT", "headers": [{"name": "x-a"}], "queryParameters": [{"name": "q"}]},
        Request("/a?q", "PUT", {"x-a": ""}),
        Request("/b?q", "PUT", {"x-a": ""}),
    ),
}


@cache
def all_at_once(where: str, protocol: str) -> Definition:
    """A service for each match, so that one definition shows them all."""
    numbered = list(enumerate(match for match, _, _ in MATCHES.values()))
    services = [build.service(named(n), router=str(n)) for n, _ in numbered]
    routers = [build.router(str(n), port=PORT[protocol], protocol=protocol) for n, _ in numbered]
    routes = [route for n, match in numbered for route in narrow(match, router=str(n), protocol=protocol)]
    backends = [named(n) for n, _ in numbered]
    front = build.node("front", port=PORT[protocol], protocol=protocol, backends=backends)
    return scene(where, front, *services, *routers, *routes, protocol=protocol)


def named(number: int) -> str:
    return f"match-{number}.local"


@pytest.mark.parametrize(("name", "taken", "left"), [(n, t, o) for n, (_, t, o) in MATCHES.items()], ids=MATCHES)
@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_a_route_takes_what_matches_and_nothing_else(
    stage: Stage, where: str, name: str, taken: Request, left: Request, protocol: str
) -> None:
    stage.apply(all_at_once(where, protocol))
    host = named(list(MATCHES).index(name))
    assert (replace(taken, host=host).sent(stage).status, arrived(stage)) == (200, f"green-{where}")
    assert (replace(left, host=host).sent(stage).status, arrived(stage)) == (200, f"blue-{where}")


def arrived(stage: Stage) -> str:
    """Where the one request since the last time came in; an answer to HEAD does not say."""
    asked = [app for app in stage.apps.values() if app.asked]
    assert [len(app.asked) for app in asked] == [1]
    asked[0].forget()
    return asked[0].name


PRIORITIES: dict[str, tuple[Json, Json, str]] = {
    "the smaller number first, however wide it is": ((1, {"prefix": "/"}), (2, {"prefix": "/a"}), "blue"),
    "the smaller number first, whatever its name": ((2, {"prefix": "/"}), (1, {"prefix": "/"}), "green"),
    "0 is a priority": ((0, {"prefix": "/"}), (1, {"prefix": "/a"}), "blue"),
    "one that says none comes last": ((None, {"prefix": "/a"}), (1000, {"prefix": "/"}), "green"),
    "among equals the longer prefix": ((5, {"prefix": "/"}), (5, {"prefix": "/a"}), "green"),
    "among equals the exact path": ((5, {"prefix": "/a/b"}), (5, {"path": {"exact": "/a/b"}}), "green"),
    "where none is said the longer prefix": ((None, {"prefix": "/"}), (None, {"prefix": "/a"}), "green"),
    "among equal paths the one with more conditions": (
        (None, {"prefix": "/a"}),
        (None, {"prefix": "/a", "method": "GET"}),
        "green",
    ),
}


@pytest.mark.parametrize(("blue", "green", "taker"), PRIORITIES.values(), ids=PRIORITIES)
def test_of_two_routes_that_match_one_takes_the_request(
    stage: Stage, where: str, blue: Json, green: Json, taker: str
) -> None:
    routes = [
        build.route(name, targets={node: 1}, match=match, priority=priority)
        for name, node, (priority, match) in (("a", "blue", blue), ("b", "green", green))
    ]
    stage.apply(scene(where, *routes))
    assert Request("/a/b").sent(stage).by == f"{taker}-{where}"


def test_a_router_with_several_listeners_routes_by_the_port_of_the_name(stage: Stage, where: str) -> None:
    """The bare name is the first listener's: nobody says port 80 here."""
    at = [(HTTP, "blue"), (SECOND, "green")]
    routes = [
        build.route(node, targets=[{"virtualNode": node, "weight": 1, "port": HTTP}], match={"prefix": "/", "port": p})
        for p, node in at
    ]
    stage.apply(scene(where, build.router(ports={HTTP: "http", SECOND: "http"}), *routes))
    hosts = [build.SERVICE, f"{build.SERVICE}:{HTTP}", f"{build.SERVICE}:{SECOND}", f"{build.SERVICE}:1"]
    answers = [Request(host=host).sent(stage).by for host in hosts]
    assert answers == [f"blue-{where}", f"blue-{where}", f"green-{where}", "404"]


def test_a_request_that_no_route_takes_is_not_found(stage: Stage, where: str) -> None:
    stage.apply(scene(where, build.route(targets={"blue": 1}, prefix="/a")))
    assert (Request("/a").sent(stage).by, Request("/b").sent(stage).by) == (f"blue-{where}", "404")
