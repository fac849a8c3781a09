"""Every definition that the corpus builds up compiles whole, and a real Envoy accepts all of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.model.definition import Definition
from isthmus.model.files import read_file
from isthmus.model.gathered import gathered
from isthmus.xds.compile import compile_mesh
from isthmus.xds.consistency import inconsistencies
from isthmus.xds.snapshot import AGENT_VIEW
from tests import build
from tests.contract.envoy.validating import refused
from tests.golden.cases import resources, surroundings

CALLS = sorted((Path(__file__).parents[4] / "shared/corpus/appmesh/calls").glob("*.up.jsonl"))


@pytest.mark.shared
@pytest.mark.skipif(not CALLS, reason="../shared is absent")
@pytest.mark.parametrize("path", CALLS, ids=lambda path: path.name)
def test_envoy_accepts_what_the_corpus_builds_up(path: Path) -> None:
    snapshot = compile_mesh(built(path), surroundings(), "east").snapshot
    assert inconsistencies(snapshot) == ()
    views = [view for view in snapshot.manifest.views if view != AGENT_VIEW]
    assert {view: said for view in views if (said := refused(resources(snapshot, view)))} == {}


def built(path: Path) -> Definition:
    """What stands after the last call, in two clusters."""
    (made,) = gathered(read_file(path.read_text())).values()
    attached = {each.key: each for each in map(build.attachment, ("east", "west"))}
    return replace(made, documents=attached | dict(made.documents))
