"""Every definition in the corpus compiles whole and consistently, and a real Envoy takes all of it, composed too."""

from collections.abc import Callable, Iterator

import pytest

from isthmus.model.check import check
from isthmus.xds.compile import compile_mesh
from isthmus.xds.consistency import inconsistencies
from isthmus.xds.snapshot import AGENT_VIEW
from tests.contract.envoy.canary import Canary, proxies
from tests.contract.envoy.corpus import CORPUS, Named, after_each_script, manifests, spec_files
from tests.contract.envoy.validating import refused
from tests.golden.cases import resources, surroundings

pytestmark = [pytest.mark.shared, pytest.mark.skipif(not CORPUS.exists(), reason="../shared is absent")]
SOURCES: dict[str, tuple[Callable[[], Iterator[Named]], int]] = {
    "what stands after each script": (after_each_script, 18),
    "each file of a spec": (spec_files, 60),
    "each folder of manifests": (manifests, 8),
}
"""What gives definitions, and how many there are at least."""


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    with Canary.running() as made:
        yield made


@pytest.mark.parametrize("source", SOURCES)
def test_envoy_takes_all_that_the_corpus_makes(canary: Canary, source: str) -> None:
    definitions, least = SOURCES[source]
    listed = list(definitions())
    assert len(listed) >= least
    for called, definition in listed:
        assert check(definition) == (), called
        snapshot = compile_mesh(definition, surroundings(), "east").snapshot
        assert inconsistencies(snapshot) == (), called
        canary.accepts([(called, list(proxies(definition, snapshot, 0)))])


@pytest.mark.parametrize("scenario", ["circuit-breakers", "ingress-gateway", "multiple-listeners", "timeout-policy"])
def test_what_is_compiled_alone_is_valid_to_envoy(scenario: str) -> None:
    """Before an agent has made anything of it: as `isthmus compile --validate` asks."""
    ((_, definition),) = [each for each in after_each_script() if each[0] == f"calls/howto-{scenario}.up.jsonl"]
    snapshot = compile_mesh(definition, surroundings(), "east").snapshot
    views = [view for view in snapshot.manifest.views if view != AGENT_VIEW]
    assert {view: said for view in views if (said := refused(resources(snapshot, view)))} == {}
