"""Which log formats are refused, and what their author is told. That Envoy agrees is tests/contract/envoy's."""

from typing import Any

import pytest

from isthmus.model.check import check
from isthmus.model.log_formats import Command, Stray, pieces
from tests import build

Json = Any
FORMAT = "/spec/logging/accessLog/file/format"


def violations(written: Json) -> list[tuple[str, str, str]]:
    """Pointer, code and detail of what is wrong with a node that logs so, and of a gateway, which must be the same."""
    logging = {"accessLog": {"file": {"path": "/dev/stdout", "format": written}}}
    found = [check(build.definition(made(logging=logging))) for made in (build.node, build.gateway)]
    assert found[0] == found[1]
    return [(v.pointer.removeprefix("/resources/0"), v.code, v.detail) for v in found[0]]


@pytest.mark.parametrize(
    "text",
    [
        "a word",
        "%LOCAL_REPLY_BODY%:%RESPONSE_CODE%:path=%REQ(:path)%\n",
        "100%% %PROTOCOL%%PROTOCOL%",
        "[%START_TIME(%Y-%m-%dT%H:%M:%S%z)%] %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %RESP(x-a):30%",
        "%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH):50%",
        "%DYNAMIC_METADATA(a:b:c)% %FILTER_STATE(a:PLAIN):3% %GRPC_STATUS% %TRAILER(grpc-message)%",
        "%START_TIME(a)b)%",
    ],
    ids=[
        "no operator",
        "the example of App Mesh's documentation",
        "percent signs, and operators side by side",
        "arguments with percent signs, alternatives, a length",
        "App Mesh's own operator",
        "metadata and trailers",
        "an argument with a bracket in it",
    ],
)
def test_these_are_taken(text: str) -> None:
    assert violations({"text": text}) == []
    assert violations({"json": [{"key": "%", "value": text}]}) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("up 50%", "character 6 is a % that begins no operator and no %% (a percent sign)"),
        ("%protocol%", "character 1 is a % that begins no operator and no %% (a percent sign)"),
        ("%PROTOCOL%%", "character 11 is a % that begins no operator and no %% (a percent sign)"),
        ("%REQ(x-a", "character 1 is a % that begins no operator and no %% (a percent sign)"),
        ("%REQ(x-a):18446744073709551616%", "character 1 is a % that begins no operator and no %% (a percent sign)"),
        ("%STATUS%", "%STATUS%: there is no such operator"),
        ("%CEL(request.path)%", "%CEL(request.path)%: this operator's argument cannot be checked"),
        ("%REQ%", "%REQ%: this operator needs an argument in brackets"),
        ("%PROTOCOL(x)%", "%PROTOCOL(x)%: this operator takes no argument"),
        ("%PROTOCOL:3%", "%PROTOCOL:3%: this operator takes no length"),
        ("%REQ(a?b?c)%", "%REQ(a?b?c)%: names more than one alternative header"),
        ("%RESP(a b)%", "%RESP(a b)%: 'a b' is not the name of a header"),
        ("%START_TIME(%n)%", "%START_TIME(%n)%: must not contain a newline (%n)"),
        ("%GRPC_STATUS(number)%", "%GRPC_STATUS(number)%: must be CAMEL_STRING or SNAKE_STRING or NUMBER"),
        ("%FILTER_STATE(a:FIELD)%", "%FILTER_STATE(a:FIELD)%: FIELD, and nothing else, has a field's name"),
        ("%COMMON_DURATION(a:b:h)%", "%COMMON_DURATION(a:b:h)%: 'h' is not ms, us or ns"),
    ],
)
def test_these_are_refused_and_their_author_is_told_why(text: str, why: str) -> None:
    said = f"not a log format that Envoy takes: {why}"
    assert violations({"text": text}) == [(f"{FORMAT}/text", "invalid_log_format", said)]
    members = [{"key": "good", "value": "%PROTOCOL%"}, {"key": "bad", "value": text}]
    assert violations({"json": members}) == [(f"{FORMAT}/json/1/value", "invalid_log_format", said)]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = violations({"text": "%A% %RESPONSE_CODE% %REQ()% 5%"})
    assert [detail.partition("takes: ")[2][:8] for _, _, detail in found] == ["%A%: the", "%REQ()%:", "characte"]


def test_a_format_is_read_as_envoy_reads_it() -> None:
    assert pieces("a%%b%REQ(x):3%%PROTOCOL%") == (
        "a%%b",
        Command("REQ", "x", length=True, text="%REQ(x):3%"),
        Command("PROTOCOL", "", length=False, text="%PROTOCOL%"),
    )
    assert pieces("a%b%%") == ("a", Stray(1))
    assert pieces("") == ()
