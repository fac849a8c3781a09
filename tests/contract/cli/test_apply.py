"""`isthmus apply` brings meshes to what files say, tells what it changed, and does it once."""

import json
from pathlib import Path
from typing import Any

import pytest

from isthmus.cli import applying, definitions
from isthmus.cli.client import Client
from tests.contract.api.conftest import Counts
from tests.contract.cli.conftest import Run

CALLS = Path(__file__).parents[4] / "shared" / "corpus" / "appmesh" / "calls"
MESH = """
kind: Mesh
name: shop
spec: {egressFilter: {type: ALLOW_ALL}}
resources:
- {kind: VirtualNode, name: a, spec: {}}
- {kind: VirtualNode, name: b, spec: {}}
"""
LOOSE = """
kind: VirtualNode
name: b
spec: {}
tags: {colour: blue}
---
kind: VirtualNode
name: c
spec: {}
"""


def results(answer: Any) -> list[tuple[str, str, int | None]]:  # noqa: ANN401 - JSON
    """(name, result, revision) of every row."""
    return [(r["name"], r["result"], r["revision"]) for r in answer["applied"]]


def test_a_whole_mesh_is_one_revision_and_what_it_no_longer_lists_goes(isthmus: Run, tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(MESH)
    first = isthmus("apply", "-f", file, "-o", "json")
    assert results(first.json) == [("shop", "created", 1), ("a", "created", 1), ("b", "created", 1)], first.err
    again = isthmus("apply", "-f", file, "-o", "json")
    assert results(again.json) == [("shop", "unchanged", None), ("a", "unchanged", None), ("b", "unchanged", None)]
    file.write_text(MESH.replace("name: a", "name: c").replace("ALLOW", "DROP"))
    third = isthmus("apply", "-f", file)
    assert third.out.splitlines()[0].split() == ["KIND", "NAME", "MESH", "RESULT", "REVISION"]
    assert [line.split() for line in third.out.splitlines()[1:]] == [
        ["Mesh", "shop", "shop", "changed", "2"],
        ["VirtualNode", "b", "shop", "unchanged", "-"],
        ["VirtualNode", "c", "shop", "created", "2"],
        ["VirtualNode", "a", "shop", "deleted", "2"],
    ]


def test_loose_documents_are_one_revision_of_their_mesh(isthmus: Run, tmp_path: Path) -> None:
    mesh, loose = tmp_path / "mesh.yaml", tmp_path / "loose.yaml"
    mesh.write_text(MESH)
    loose.write_text(LOOSE)
    isthmus("apply", "-f", mesh)
    nowhere = isthmus("apply", "-f", loose)
    assert (nowhere.code, "--mesh" in nowhere.err) == (1, True)
    applied = isthmus("apply", "-f", loose, "--mesh", "shop", "-o", "json")
    assert results(applied.json) == [("b", "changed", 2), ("c", "created", 2)], applied.err
    assert results(isthmus("apply", "-f", loose, "--mesh", "shop", "-o", "json").json) == [
        ("b", "unchanged", 2),
        ("c", "unchanged", 2),
    ]


def test_a_directory_is_one_thing_and_a_mesh_alone_deletes_nothing(isthmus: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "1.yaml").write_text("{kind: Mesh, name: shop, spec: {}}")
    (folder / "2.yaml").write_text(LOOSE)
    (folder / "note.txt").write_text("not ours")
    first = isthmus("apply", "-f", folder, "-o", "json")
    assert results(first.json) == [("shop", "created", 1), ("b", "created", 1), ("c", "created", 1)], first.err
    (folder / "2.yaml").write_text("{kind: VirtualNode, name: c, spec: {}, tags: {colour: red}}")
    second = isthmus("apply", "-f", folder, "-o", "json")
    assert results(second.json) == [("shop", "unchanged", None), ("b", "unchanged", None), ("c", "changed", 2)]


def test_app_mesh_calls_are_done_in_their_order_and_only_once(isthmus: Run, tmp_path: Path) -> None:
    node = {"meshName": "shop", "virtualNodeName": "a", "spec": {}}
    tags = [{"key": "colour", "value": "red"}]
    updated = {"backends": [{"virtualService": {"virtualServiceName": "b.local"}}]}
    calls = [
        ("CreateMesh", {"meshName": "shop"}),
        ("CreateVirtualNode", node | {"tags": tags}),
        ("UpdateVirtualNode", node | {"spec": updated}),
        ("UpdateMesh", {"meshName": "shop", "spec": {"egressFilter": {"type": "DROP_ALL"}}}),
    ]
    file = tmp_path / "calls.jsonl"
    file.write_text("\n".join(json.dumps({"operation": o, "params": p}) for o, p in calls))
    applied = isthmus("apply", "-f", file, "-o", "json")
    assert results(applied.json) == [
        ("shop", "created", 1),
        ("a", "created", 2),
        ("a", "changed", 3),
        ("shop", "changed", 4),
    ]
    shown = isthmus("get", "virtual-nodes", "a", "--mesh", "shop").json
    assert (shown["tags"], shown["spec"]) == ({"colour": "red"}, updated)
    deletes = [
        ("DeleteVirtualNode", {"meshName": "shop", "virtualNodeName": "a"}),
        ("DeleteMesh", {"meshName": "shop"}),
    ]
    file.write_text("\n".join(json.dumps({"operation": o, "params": p}) for o, p in deletes))
    assert results(isthmus("apply", "-f", file, "-o", "json").json) == [("a", "deleted", 5), ("shop", "deleted", 6)]
    assert results(isthmus("apply", "-f", file, "-o", "json").json) == [
        ("a", "unchanged", None),
        ("shop", "unchanged", None),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{kind: VirtualNode, name: a, spec: {listeners: 1}}", ["x.yaml:/spec/listeners: must be an array"]),
        ("{kind: [", ["x.yaml:"]),
        ("{kind: Placement, name: a, spec: {clusters: [moon]}}", ["/0/document/name", "/0/document/spec/clusters/0"]),
        ("a: 1\na: 2", ["'a'", "twice"]),
    ],
    ids=["wrong here", "no yaml", "wrong there", "a key twice"],
)
def test_what_is_wrong_is_told_by_file_and_field(
    isthmus: Run, tmp_path: Path, text: str, told: list[str], rows: Counts
) -> None:
    mesh, file = tmp_path / "mesh.yaml", tmp_path / "x.yaml"
    mesh.write_text("{kind: Mesh, name: shop, spec: {}}")
    isthmus("apply", "-f", mesh)
    before = rows()
    file.write_text(text)
    refused = isthmus("apply", "-f", file, "--mesh", "shop")
    assert (refused.code, refused.out) == (1, "")
    assert all(word in refused.err for word in told), refused.err
    assert "Traceback" not in refused.err
    assert rows() == before


@pytest.mark.shared
@pytest.mark.skipif(not CALLS.is_dir(), reason="../shared is absent")
@pytest.mark.parametrize("script", sorted(p.name for p in CALLS.glob("*.up.jsonl")) or ["none"])
def test_every_script_of_the_corpus_applies(client: Client, script: str) -> None:
    entries = definitions.read(CALLS / script)
    first = applying.apply(client, entries)
    assert {row.result for row in first} == {"created"}
    assert len(first) == len(entries)
    assert {row.result for row in applying.apply(client, entries)} == {"unchanged"}


@pytest.mark.shared
@pytest.mark.skipif(not CALLS.is_dir(), reason="../shared is absent")
@pytest.mark.parametrize("script", sorted(p.name for p in CALLS.glob("*.down.jsonl")) or ["none"])
def test_every_script_of_the_corpus_can_be_taken_down(client: Client, script: str) -> None:
    name = script.partition(".")[0]
    applying.apply(client, definitions.read(CALLS / f"{name}.up.jsonl"))
    rows = applying.apply(client, definitions.read(CALLS / script))
    assert {row.result for row in rows} <= {"deleted", "unchanged"}
    assert list(client.listed("/meshes")) == []
