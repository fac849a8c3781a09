"""drawing: the specs that tests share, drawn by Hypothesis once a run, and where our model misjudges them."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.contract.appmesh.breaking import BREAKINGS, Broken
from tests.contract.appmesh.judging import document, refusals
from tests.contract.appmesh.specs import CASES, Case

Json = Any
T = TypeVar("T")
SEED = 20190125
VALID, BROKEN = 3000, 6000


def drawn(strategy: st.SearchStrategy[T], number: int) -> list[T]:
    """So many of them, the same in every run of one version of Hypothesis."""
    made: list[T] = []

    @seed(SEED)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: T) -> None:
        made.append(value)

    draw()
    assert len(made) >= number
    return made


@cache
def valid() -> Sequence[Case]:
    """Valid ones of all kinds."""
    return drawn(CASES, VALID)


@cache
def broken() -> Sequence[Broken]:
    """Broken ones of all kinds."""
    return drawn(BREAKINGS, BROKEN)


def exactly(value: Json) -> str:
    """A value so that 1, 1.0 and true differ, and the order of members does not."""
    return json.dumps(value, sort_keys=True)


def misjudged() -> Iterator[tuple[str, Json, Json]]:
    """Where ours is not what AWS's model says."""
    for case in valid():
        if found := refusals(case):
            yield "refused", found, case
        elif exactly(document(case.kind, case.name, case.parent, case.spec).spec.json_object()) != exactly(case.spec):
            yield "changed", case.kind, case
    for bad in broken():
        if (found := refusals(bad.case)).keys() != {f"/spec{bad.pointer}"}:
            yield bad.rule, found, bad
