"""Which member is to blame: found by leaving out, without asking more often than need be."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.envoy.blame import Verdict, blamed
from isthmus.model.definition import Definition
from isthmus.model.key import Key
from tests import build

ROUTE, NODE = Key("Route", "all", "router"), Key("VirtualNode", "blue")
HEADERS = [{"name": "a", "match": {"exact": "x"}}, {"name": "b", "match": {"regex": "y"}}]
RETRY = "httpRoute", "retryPolicy"
SECONDS = {"unit": "s", "value": 5}
MESH = build.mesh(
    build.route(
        match={"prefix": "/", "headers": HEADERS},
        retryPolicy={"maxRetries": 2, "perRetryTimeout": SECONDS, "httpRetryEvents": ["server-error", "gateway-error"]},
    ),
    build.node(
        "blue", listener={"timeout": {"http": {"idle": SECONDS}}}, logging={"accessLog": {"file": {"path": "/x"}}}
    ),
)
Fault = Callable[[Any], bool]


def judge(key: Key, faulty: Fault, there: Fault = lambda _: True) -> Callable[[Definition], Verdict]:
    """An Envoy that refuses what `faulty` says of the spec's JSON, as long as the part is `there`."""

    def judged(definition: Definition) -> Verdict:
        spec = definition.documents[key].spec.json_object()
        if not there(spec):
            return Verdict.GONE
        return Verdict.REFUSED if faulty(spec) else Verdict.MENDED

    return judged


def _said(spec: Any, *path: Any) -> Any:  # noqa: ANN401 - JSON
    for member in path:
        try:
            spec = spec[member]
        except (KeyError, IndexError):
            return None
    return spec


def _listening(spec: Any) -> bool:  # noqa: ANN401 - JSON
    return bool(_said(spec, "listeners", 0))


@pytest.mark.parametrize(
    ("key", "faulty", "there", "pointer"),
    [
        (
            ROUTE, lambda spec: any(h["name"] == "b" for h in _said(spec, "httpRoute", "match", "headers") or ()), None,
            "/spec/httpRoute/match/headers/1/name",
        ),
        (
            ROUTE, lambda spec: "gateway-error" in (_said(spec, *RETRY, "httpRetryEvents") or ()), None,
            "/spec/httpRoute/retryPolicy/httpRetryEvents/1",
        ),
        (
            NODE, lambda spec: _said(spec, "listeners", 0, "timeout", "http", "idle", "value") == 5, _listening,
            "/spec/listeners/0/timeout/http/idle/value",
        ),
        (NODE, lambda spec: bool(_said(spec, "logging")), _listening, "/spec/logging/accessLog"),
        (ROUTE, lambda _: True, None, "/spec"),
        (Key("VirtualNode", "none"), lambda _: True, None, ""),
    ],
    ids=[
        "one of two alike", "an element", "below what cannot be left out", "not what takes the part away",
        "no single member", "no such document",
    ],
)  # fmt: skip
def test_the_smallest_member_that_mends_it_is_to_blame(
    key: Key, faulty: Fault, there: Fault | None, pointer: str
) -> None:
    assert blamed(MESH, key, judge(key, faulty, there or (lambda _: True))) == pointer


def test_only_so_many_definitions_are_tried() -> None:
    tried = []

    def judged(definition: Definition) -> Verdict:
        tried.append(definition)
        return Verdict.REFUSED

    assert blamed(MESH, ROUTE, judged, tries=3) == "/spec"
    assert len(tried) <= 3
