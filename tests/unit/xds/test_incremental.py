"""A warm compiler and a fresh one say the same, byte for byte, whatever was edited on the way, and a change says so."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from isthmus.incremental import ABSENT, Computation
from isthmus.xds.compile import Compiled, Compiler, Ground, compile_mesh
from isthmus.xds.content import Changed
from tests import build
from tests.editing import edits
from tests.golden.cases import surroundings

SEQUENCES, STEPS = 300, 10
CLUSTERS = ("east", "west", "north")


def edited(seed: int, steps: int) -> int:
    """One sequence, compared after each step; the number of resources that were compiled anew."""
    source = random.Random(seed)
    cluster = source.choice(CLUSTERS)
    start = build.mesh()
    warm = Compiler(Ground.of(start, surroundings()), cluster)
    warm.change(start.documents)
    before, anew = warm.compiled, 0
    for edit, definition in edits(source, steps):
        changed = warm.change(edit)
        after = warm.compiled
        assert after == compile_mesh(definition, surroundings(), cluster), f"seed {seed}: after {edit}"
        says_so(changed, before, after)
        before, anew = after, anew + len(changed.resources)
    return anew


def says_so(changed: Changed, before: Compiled, after: Compiled) -> None:
    """A change names exactly the views that differ and the content that is new."""
    old, new = before.snapshot.manifest.views, after.snapshot.manifest.views
    differing = {view for view in {*old, *new} if old.get(view) != new.get(view)}
    assert changed.views == differing
    fresh = after.snapshot.resources.keys() - before.snapshot.resources.keys()
    assert {r.ref.version for r in changed.resources} == fresh
    assert changed.version == after.snapshot.manifest.version


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
