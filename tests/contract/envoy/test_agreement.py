"""Thousands of (routes, request) pairs: a real Envoy does what an independent reading of App Mesh's JSON says.

And where the compiler is made to err, in one of seven ways, the pairs tell.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from isthmus.ir import gateways, matches, services
from isthmus.ir.mesh import Compared, HeaderMatch, Target
from isthmus.xds import requests
from tests.contract.envoy.echoing import Echoing
from tests.drawing.agreement import compared

GATEWAYS, SCENES, REQUESTS = 5, 10, 300
FEW = 300
"""Requests to each scene of a sabotaged compiler."""


@pytest.fixture(scope="module")
def echoing() -> Iterator[Echoing]:
    with Echoing.running(GATEWAYS) as made:
        yield made


def test_envoy_does_what_the_matcher_says(echoing: Echoing) -> None:
    tally = compared(echoing, range(SCENES), REQUESTS, GATEWAYS)
    print(f"seeds 0 to {SCENES - 1}: {tally.line}")  # noqa: T201 - seeds and counts belong into the log
    assert tally.wrong == []
    assert tally.rare == {}
    assert tally.pairs == SCENES * REQUESTS


# --- what keeps it honest --------------------------------------------------------------------------------------------

Wrong = Callable[[Callable[..., Any]], Callable[..., Any]]


def _exact_as_prefix(right: Callable[..., Any]) -> Callable[..., Any]:
    def path(*said: object) -> tuple[Compared, str]:
        how, text = right(*said)
        return (Compared.PREFIX if how is Compared.EXACT else how), text

    return path


def _not_inverted(right: Callable[..., HeaderMatch]) -> Callable[..., HeaderMatch]:
    return lambda said: right(said)._replace(invert=False)


def _end_included(right: Callable[..., HeaderMatch]) -> Callable[..., HeaderMatch]:
    def header(said: object) -> HeaderMatch:
        made = right(said)
        return made._replace(bounds=(made.bounds[0], made.bounds[1] + 1)) if made.how is Compared.RANGE else made

    return header


def _reversed(right: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    return lambda *said: (each._replace(order=(-each.order[0], *each.order[1:])) for each in right(*said))


def _weightless_too(right: Callable[..., Iterator[Target]]) -> Callable[..., Iterator[Target]]:
    return lambda *said: (target._replace(weight=target.weight or 1) for target in right(*said))


def _by_case(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda pattern: right(pattern.removeprefix("(?i)"))


def _never_rewritten(_right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _match, _rewrite: None


SABOTAGES: Mapping[str, tuple[Any, str, Wrong]] = {
    "an exact path is compared as a prefix": (matches, "_path", _exact_as_prefix),
    "an inverted header is not": (matches, "_header", _not_inverted),
    "the end of a range is in it": (matches, "_header", _end_included),
    "the highest priority number comes first": (services, "_listed", _reversed),
    "targets without weight get some": (services, "_targets", _weightless_too),
    "a gateway's host names know case": (requests, "_regex", _by_case),
    "a gateway's path is never rewritten": (gateways, "_path", _never_rewritten),
}


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_wrong_compiler_is_noticed(echoing: Echoing, sabotage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, wrong = SABOTAGES[sabotage]
    monkeypatch.setattr(module, name, wrong(getattr(module, name)))
    seed = 1000 + 10 * list(SABOTAGES).index(sabotage)  # of their own: nothing compiled may be remembered
    tally = compared(echoing, range(seed, seed + 3), FEW, GATEWAYS)
    print(f"{sabotage}: {len(tally.wrong)} of {tally.pairs}")  # noqa: T201
    assert tally.wrong
