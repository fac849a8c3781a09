"""What somebody who waits sees: steps with their times, and the processes' logs, line by line under their names."""

import io
from pathlib import Path

import pytest

from isthmus.embedded.backoff import failures, pause
from isthmus.embedded.steps import Steps
from isthmus.embedded.tail import Tail
from tests.until import until


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_step_is_told_with_its_time_and_kept_for_the_report() -> None:
    steps = Steps(out := io.StringIO())
    with steps.step("one thing"):
        pass
    assert out.getvalue() == "  ✓ one thing, 0.0 s\n"
    assert [name for name, _ in steps.taken] == ["one thing"]


def test_a_step_that_fails_is_marked_and_not_kept() -> None:
    steps = Steps(out := io.StringIO())
    with pytest.raises(RuntimeError), steps.step("another"):
        raise RuntimeError
    assert out.getvalue() == "  × another, 0.0 s\n"
    assert not steps.taken


def test_on_a_terminal_a_step_is_shown_from_its_begin() -> None:
    steps = Steps(out := Terminal())
    with steps.step("long"):
        assert out.getvalue() == "  … long"
    assert out.getvalue().startswith("  … long\r  \x1b[32m✓")


def test_logs_are_followed_from_where_they_end_and_over_being_set_aside(short: Path) -> None:
    (short / "old.log").write_text("before\n")
    tail = Tail(short, out := io.StringIO())
    (short / "new.log").write_text("first\nhalf a li")
    until(lambda: "first" in out.getvalue())
    with (short / "new.log").open("a") as log:
        log.write("ne\n")
    until(lambda: "half a line" in out.getvalue())
    (short / "new.log").rename(short / "new.log.1")
    (short / "new.log").write_text("anew\n")
    tail.close()
    assert out.getvalue().splitlines() == [f"new            | {line}" for line in ("first", "half a line", "anew")]


@pytest.mark.parametrize(
    ("before", "lived", "count", "wait"),
    [(0, 0.0, 1, 0.1), (1, 9.9, 2, 0.2), (2, 0.0, 3, 0.4), (20, 0.0, 21, 10.0), (7, 10.0, 1, 0.1)],
    ids=["first death", "young again", "doubling", "never longer than ten", "it had been well"],
)
def test_what_dies_often_waits_longer(before: int, lived: float, count: int, wait: float) -> None:
    assert failures(before, lived) == count
    assert pause(count) == pytest.approx(wait)
