"""A warm compiler and a fresh one say the same, byte for byte, whatever was edited on the way, and a change says so."""

from collections.abc import Callable
from typing import Any

import pytest

from isthmus.incremental import ABSENT, Computation
from tests.editing import edited

SEQUENCES, STEPS = 300, 10


@pytest.mark.parametrize("part", range(6))
def test_incremental_and_full_are_the_same_bytes(part: int) -> None:
    per = SEQUENCES // 6
    anew = sum(edited(seed, STEPS) for seed in range(part * per, (part + 1) * per))
    assert anew > per * STEPS / 2, "edits that change nothing prove nothing"


def forgets_what_was_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that finds nothing is not noted: what comes later is never seen."""
    read = Computation.read

    def forgetful(self: Computation, key: object) -> object:
        cell = self._cells.get(key)
        return read(self, key) if cell is not None and cell.value is not ABSENT else ABSENT

    monkeypatch.setattr(Computation, "read", forgetful)


def marks_direct_readers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def shallow(self: Computation, changed: Any) -> None:  # noqa: ANN401 - a cell
        for reader in changed.readers:
            reader.stale = True
            self._reached |= {reader} if reader.root else set()

    monkeypatch.setattr(Computation, "_taint", shallow)


def believes_that_nothing_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Computation._settle  # noqa: SLF001 - what is sabotaged

    def trusting(self: Computation, cell: Any) -> None:  # noqa: ANN401 - a cell
        if isinstance(cell.key, tuple) and cell.key[0] == "hosts":
            cell.stale = False
        else:
            settle(self, cell)

    monkeypatch.setattr(Computation, "_settle", trusting)


@pytest.mark.parametrize(
    "sabotage", [forgets_what_was_not_there, marks_direct_readers_only, believes_that_nothing_has_changed]
)
def test_broken_bookkeeping_is_noticed(
    sabotage: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    with pytest.raises((AssertionError, KeyError, StopIteration)):
        sum(edited(seed, STEPS) for seed in range(40))
