"""Nobody changes a signed request, and whoever changes what is not signed changes nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from isthmus import sigv4
from isthmus.sigv4 import Target
from tests.attack.campaign import campaign
from tests.attack.forging import FORGERIES
from tests.attack.passing import NEUTRAL
from tests.contract.appmesh.conftest import Installation, installed
from tests.databases import Server
from tests.serving import served

FORGED = 1000
CANONICAL = sigv4._canonical  # noqa: SLF001 - sabotaged below


@pytest.fixture(scope="module")
def installation(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An API of the attack's own, so that nobody else changes what is compared."""
    with installed(postgres_server, tmp_path_factory.mktemp("keys")) as made:
        yield made


def test_no_forged_request_is_accepted_and_every_honest_one_is(installation: Installation) -> None:
    tally = campaign(installation, FORGED, seed=1)
    print(tally.report)  # noqa: T201 - the counts belong into the log
    assert tally.held, tally.report
    assert tally.forged.total() == FORGED
    assert tally.honest.total() >= FORGED // 10
    assert (tally.forged.keys(), tally.honest.keys()) == (FORGERIES.keys(), NEUTRAL.keys())


def blind(_at: datetime, _now: datetime) -> None:
    """A clock that is not looked at."""


SABOTAGES = {
    "any signature holds": ("holds", lambda *_: True),
    "any time is fresh": ("refuse_skewed", blind),
    "spaces are Python's": ("_value", lambda text: " ".join(text.split())),
    "empty members are dropped": (
        "_canonical",
        lambda claim, target, headers: CANONICAL(claim, tidied(target), headers),
    ),
}


def tidied(target: Target) -> Target:
    """A query without its empty members."""
    return replace(target, query="&".join(pair for pair in target.query.split("&") if pair))


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_campaign_finds_what_is_not_checked(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, sabotage: str
) -> None:
    name, broken = SABOTAGES[sabotage]
    monkeypatch.setattr(sigv4, name, broken)
    with served(installation.settings) as url:  # in this process, where it is broken
        tally = campaign(replace(installation, url=url), 160, seed=2)
    assert not tally.held
    assert sum(tally.accepted[forged] for forged in FORGERIES) > 0, tally.report
