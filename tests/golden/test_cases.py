"""Every golden case: what is compiled is what the file shows, and every name in it leads somewhere."""

import pytest

from isthmus.xds.consistency import inconsistencies
from tests.golden.cases import Case, cases

ALL = list(cases())


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.path.parent.name}/{case.path.stem}")
def test_a_definition_compiles_to_what_its_file_shows(case: Case, request: pytest.FixtureRequest) -> None:
    compiled = case.compiled()
    shown = case.shown(compiled)
    if request.config.getoption("--golden-update", default=False):
        case.write(shown)
        return
    assert {k: v for k, v in case.said.items() if k in ("envoy", "ineffective")} == shown


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.path.parent.name}/{case.path.stem}")
def test_every_name_leads_somewhere(case: Case) -> None:
    assert inconsistencies(case.compiled().snapshot) == ()


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.path.parent.name}/{case.path.stem}")
def test_the_same_definition_gives_the_same_bytes(case: Case) -> None:
    assert case.compiled().snapshot == case.compiled().snapshot
