"""Computations: what is kept, what is built again, and what is dropped."""

import pytest

from isthmus.incremental import ABSENT, Computation, Inputs, Results


class Counted:
    """A computation of `total`, the sum of two parities and a name, that counts what it builds."""

    def __init__(self) -> None:
        self.made = Computation()
        self.built: list[str] = []

    def parity(self, name: str) -> int:
        def build() -> int:
            self.built.append(name)
            value = self.made.read(name)
            return 0 if value is ABSENT else int(value) % 2

        return self.made.get(("parity", name), build)

    def total(self) -> int:
        def build() -> int:
            self.built.append("total")
            return self.parity("a") + self.parity("b")

        return self.made.get("total", build)


def test_what_is_asked_for_again_is_built_once() -> None:
    counted = Counted()
    assert [counted.total(), counted.total()] == [0, 0]
    assert counted.built == ["total", "a", "b"]


def test_a_change_builds_what_stands_on_it_and_nothing_else() -> None:
    counted = Counted()
    counted.total()
    counted.built.clear()
    counted.made.put("b", 1)
    assert list(counted.made.reached()) == ["total"]
    assert counted.total() == 1
    assert counted.built == ["b", "total"]


def test_a_result_that_comes_out_equal_stops_the_change() -> None:
    counted = Counted()
    counted.made.put("a", 1)
    counted.total()
    counted.built.clear()
    counted.made.put("a", 3)
    assert counted.total() == 1
    assert counted.built == ["a"]


@pytest.mark.parametrize("value", [7, [1, 2]])
def test_an_equal_input_changes_nothing(value: object) -> None:
    made = Computation()
    made.put("a", value)
    made.get("root", lambda: made.read("a"))
    made.put("a", value if isinstance(value, int) else list(value))  # type: ignore[call-overload]
    assert list(made.reached()) == []


def test_what_was_not_there_is_seen_when_it_comes() -> None:
    made = Computation()
    names: Inputs[int] = Inputs(made, "n")
    assert made.get("root", lambda: names.get("late")) is None
    made.put(("n", "late"), 5)
    assert list(made.reached()) == ["root"]
    assert made.get("root", lambda: None) == 5


def test_an_input_that_is_taken_away_is_gone() -> None:
    made = Computation()
    names: Inputs[int] = Inputs(made, "n")
    doubled = Results(made, "doubled", names, lambda name: names[name] * 2)
    made.put(("n", "a"), 4)
    assert made.get("root", lambda: doubled.get("a")) == 8
    made.put(("n", "a"), ABSENT)
    assert made.get("root", lambda: None) is None
    assert "a" not in doubled
    with pytest.raises(KeyError):
        doubled["a"]


def test_what_nobody_reads_any_more_is_dropped() -> None:
    made = Computation()
    made.put("which", "a")
    made.get("root", lambda: made.get(("of", made.read("which")), lambda: made.read("which")))
    before = len(made)
    for name in ("b", "c", "d"):
        made.put("which", name)
        made.get("root", lambda: None)
        made.sweep()
    assert len(made) == before
    made.forget("root")
    made.sweep()
    assert len(made) == 1, "the input is left"
