"""A warm compiler and a fresh one say the same, byte for byte, whatever was edited on the way, and a change says so."""

import random

import pytest

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
