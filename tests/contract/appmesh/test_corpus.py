"""AWS's own scripts, call by call through boto3: accepted, each spec given back as it was sent, nothing left over."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from isthmus.model.operations.words import Word
from tests.contract.appmesh.conftest import refused

Json = Any
CALLS = sorted((Path(__file__).parents[4] / "shared/corpus/appmesh/calls").glob("*.jsonl"))
SCENARIOS = sorted({path.name.partition(".")[0] for path in CALLS})


def steps(scenario: str) -> Sequence[Path]:
    """The scenario's files as its script runs them: up first, down last, and what is added before what is updated."""
    rank = {"up": 0, "down": 2}
    mine = [path for path in CALLS if path.name.partition(".")[0] == scenario]
    return sorted(mine, key=lambda path: (rank.get(path.name.split(".")[1], 1), path.name))


def calls(scenario: str) -> Iterator[tuple[str, str, Json]]:
    """(verb, kind, parameters) of every call, in order."""
    for path in steps(scenario):
        for line in path.read_text().splitlines():
            call = json.loads(line)
            verb = next(verb for verb in ("Create", "Update", "Delete") if call["operation"].startswith(verb))
            yield verb, call["operation"].removeprefix(verb), call["params"]


@pytest.mark.shared
@pytest.mark.skipif(not CALLS, reason="../shared is absent")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_script_of_awss_runs_to_its_end(appmesh: Json, scenario: str) -> None:
    done, mesh = 0, ""
    for verb, kind, params in calls(scenario):
        answer = getattr(appmesh, xform_name(f"{verb}{kind}"))(**params)
        asked = {name: value for name, value in params.items() if name.endswith("Name")}
        describe = getattr(appmesh, xform_name(f"Describe{kind}"))
        done, mesh = done + 1, params["meshName"]
        if verb == "Delete":
            assert answer[Word(kind).member]["status"] == {"status": "DELETED"}
            assert refused(describe, **asked)[:2] == ("NotFoundException", 404)
        else:
            assert describe(**asked)[Word(kind).member]["spec"] == params.get("spec", {}), (verb, kind, asked)
    assert done == sum(len(path.read_text().splitlines()) for path in steps(scenario)) > 0
    assert refused(appmesh.describe_mesh, meshName=mesh)[0] == "NotFoundException"
    assert appmesh.list_meshes()["meshes"] == []


@pytest.mark.shared
@pytest.mark.skipif(not CALLS, reason="../shared is absent")
def test_no_file_of_the_corpus_is_left_out() -> None:
    assert sorted(path for scenario in SCENARIOS for path in steps(scenario)) == CALLS
    print(f"{sum(1 for scenario in SCENARIOS for _ in calls(scenario))} calls in {len(CALLS)} files")  # noqa: T201
