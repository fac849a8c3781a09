"""Nothing that a golden case says may be left out unnoticed, and every field of the model is said by one of them."""

from functools import cache

import pytest
import yaml

from isthmus.ir import matches
from tests.drawing.coverage import possible, said
from tests.golden.cases import HERE, Case, cases
from tests.golden.leaving_out import LeftOut, left_out

ALL = {f"{case.path.parent.name}/{case.path.stem}": case for case in cases()}
REVIEWED = yaml.safe_load((HERE / "without_effect.yml").read_text())
UNNOTICED, UNSAID = REVIEWED["unnoticed"], REVIEWED["unsaid"]


@cache
def found(name: str) -> tuple[LeftOut, ...]:
    """All that can be left out of a case."""
    return tuple(left_out(ALL[name]))


def silent(case: Case | str) -> list[str]:
    """What can be left out of a case without anybody noticing or having agreed to it."""
    left = found(case) if isinstance(case, str) else left_out(case)
    return [each.said for each in left if not each.noticed and not {each.said, each.field} & UNNOTICED.keys()]


@pytest.mark.parametrize("name", ALL)
def test_leaving_out_a_field_is_noticed(name: str) -> None:
    assert silent(name) == []


def test_the_reviewed_list_has_no_line_too_many() -> None:
    unnoticed = [each for name in ALL for each in found(name) if not each.noticed]
    assert sorted(UNNOTICED.keys() - {spelling for each in unnoticed for spelling in (each.said, each.field)}) == []


def test_what_can_be_left_out_is_noticed_somewhere_or_reviewed_as_a_whole() -> None:
    """A field whose every value is excused one by one has no golden case that shows what it does."""
    left = [each for name in ALL for each in found(name)]
    shown = {each.field for each in left if each.noticed} | UNNOTICED.keys()
    assert sorted({each.field for each in left} - shown) == []


def test_every_field_of_the_model_is_said_by_a_golden_case() -> None:
    fields = {place for place in possible() if "=" not in place}
    missing = fields - frozenset().union(*(said(case.definition) for case in ALL.values()))
    assert sorted(missing) == sorted(UNSAID)


def test_a_compiler_that_passes_over_a_field_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matches, "_queries", lambda _said: ())
    assert [each.partition("=")[0] for each in silent(ALL["routes/http_in_full"])] == [
        "Route/httpRoute/match/queryParameters",
        "Route/httpRoute/match/queryParameters/*/match",
        "Route/httpRoute/match/queryParameters/*/match/exact",
    ]
