"""One stage for all tests that only look at where requests go; those that break things have stages of their own."""

from collections.abc import Iterator

import pytest

from tests.contract.envoy.stage import Door, Instance, Stage


@pytest.fixture(scope="session")
def playing() -> Iterator[Stage]:
    """`front` and `ingress` in east, `blue` and `green` in either cluster (`blue-east` …), where a definition wants."""
    targets = [Instance(f"{node}-{c}", node, c) for node in ("blue", "green") for c in ("east", "west")]
    stage = Stage(Instance("front"), *targets, doors=[Door("ingress")])
    try:
        yield stage
    finally:
        stage.stop()


@pytest.fixture
def stage(playing: Stage) -> Iterator[Stage]:
    """The stage, with applications that have forgotten what they were told."""
    yield playing
    playing.forget()


@pytest.fixture(scope="session", params=["east", "west"], ids=["to the same cluster", "to another cluster"])
def where(request: pytest.FixtureRequest) -> str:
    """The cluster in which targets run; callers are in east."""
    cluster: str = request.param
    return cluster
