"""Which gRPC calls a route takes: each kind of match with a call that it takes and one that it leaves to the rest."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from isthmus.model.definition import Definition
from tests import build
from tests.contract.envoy.scenes import Call, Request, narrow, scene
from tests.contract.envoy.stage import GRPC, Stage

Json = Any


def metadata(how: Json, *, invert: bool = False) -> Json:
    said = {"name": "x-a"} | ({"match": how} if how else {}) | ({"invert": True} if invert else {})
    return {"metadata": [said]}


def having(value: str) -> Call:
    return Call(metadata=(("x-a", value),))


EXACT, PREFIX, SUFFIX = {"exact": "blue"}, {"prefix": "bl"}, {"suffix": "ue"}
REGEX, RANGE = {"regex": "b[lu]+e"}, {"range": {"start": 1, "end": 100}}
PICKER, PICK = {"serviceName": "color.Picker"}, {"serviceName": "color.Picker", "methodName": "Pick"}

MATCHES: dict[str, tuple[Json, Call, Call]] = {
    "a service": (PICKER, Call("/color.Picker/Mix"), Call("/color.Mixer/Mix")),
    "a service by its whole name": (PICKER, Call("/color.Picker/Pick"), Call("/color.Picker2/Pick")),
    "a service in its package": (PICKER, Call("/color.Picker/Pick"), Call("/a.color.Picker/Pick")),
    "a method": (PICK, Call("/color.Picker/Pick"), Call("/color.Picker/PickTwo")),
    "a method of one service": (PICK, Call("/color.Picker/Pick"), Call("/color.Mixer/Pick")),
    "a metadata's value": (metadata(EXACT), having("blue"), having("blues")),
    "a metadata's beginning": (metadata(PREFIX), having("black"), having("a black")),
    "a metadata's end": (metadata(SUFFIX), having("true"), having("truer")),
    "a metadata's regular expression": (metadata(REGEX), having("bulue"), having("bulues")),
    "a metadata's range, from its start": (metadata(RANGE), having("1"), having("0")),
    "a metadata's range, up to before its end": (metadata(RANGE), having("99"), having("100")),
    "a metadata that is there": (metadata(None), having(""), Call()),
    "a metadata that is not there": (metadata(None, invert=True), Call(), having("")),
    "any value but one": (metadata(EXACT, invert=True), having("red"), having("blue")),
    "out of a range": (metadata(RANGE, invert=True), having("100"), having("99")),
    "a service and a metadata": (PICKER | metadata(EXACT), having("blue"), Call(metadata=(("x-b", "blue"),))),
}


@cache
def all_at_once(where: str) -> Definition:
    """A service for each match, so that one definition shows them all."""
    numbered = list(enumerate(match for match, _, _ in MATCHES.values()))
    services = [build.service(named(n), router=str(n)) for n, _ in numbered]
    routers = [build.router(str(n), port=GRPC, protocol="grpc") for n, _ in numbered]
    routes = [route for n, match in numbered for route in narrow(match, router=str(n), protocol="grpc")]
    front = build.node("front", port=GRPC, protocol="grpc", backends=[named(n) for n, _ in numbered])
    return scene(where, front, *services, *routers, *routes, protocol="grpc")


def named(number: int) -> str:
    return f"call-{number}.local"


@pytest.mark.parametrize(("name", "taken", "left"), [(n, t, o) for n, (_, t, o) in MATCHES.items()], ids=MATCHES)
def test_a_route_takes_calls_that_match_and_no_others(
    stage: Stage, where: str, name: str, taken: Call, left: Call
) -> None:
    stage.apply(all_at_once(where))
    host = named(list(MATCHES).index(name))
    assert replace(taken, host=host).sent(stage).said["app"] == f"green-{where}"
    assert replace(left, host=host).sent(stage).said["app"] == f"blue-{where}"


def test_a_grpc_route_takes_nothing_but_grpc(stage: Stage, where: str) -> None:
    """The request has the path of a call, and is none."""
    stage.apply(scene(where, build.route(targets={"blue": 1}, protocol="grpc"), protocol="grpc"))
    assert Call().sent(stage).said["app"] == f"blue-{where}"
    assert Request("/color.Picker/Pick", "POST").sent(stage).status == 404


def test_a_call_arrives_whole_and_its_answer_too(stage: Stage, where: str) -> None:
    stage.apply(scene(where, build.route(targets={"blue": 1}, protocol="grpc"), protocol="grpc"))
    reply = stage.call("front", build.SERVICE, "/color.Picker/Pick", body=b"a message", metadata=[("x-a", "b")])
    assert (reply.said["path"], reply.said["body"], reply.said["headers"]["x-a"]) == (
        "/color.Picker/Pick",
        "a message",
        "b",
    )
