"""`isthmus import` makes files that `isthmus apply` takes, tells what is not in them, and writes nothing if unsure."""

import json
from pathlib import Path

import pytest

from tests.contract.cli.conftest import Run

MANIFESTS = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: shop}
spec: {namespaceSelector: {}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: front, namespace: web}
spec: {podSelector: {matchLabels: {app: front}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: web}
spec: {template: {metadata: {labels: {app: front}}, spec: {serviceAccountName: front}}}
"""
TEMPLATE = """
Parameters: {Name: {Type: String}}
Resources:
  Mesh: {Type: AWS::AppMesh::Mesh, Properties: {MeshName: !Sub "${Name}-${AWS::Region}"}}
  Node:
    Type: AWS::AppMesh::VirtualNode
    Properties: {MeshName: !GetAtt Mesh.MeshName, VirtualNodeName: !ImportValue name, Spec: {}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Both, and what is neither."""
    made = tmp_path / "input"
    (made / "below").mkdir(parents=True)
    (made / "below" / "shop.yaml").write_text(MANIFESTS)
    (made / "stack.template").write_text(TEMPLATE)
    (made / "note.txt").write_text("apiVersion: appmesh.k8s.aws/v1beta2")
    return made


def test_manifests_become_a_file_that_applies(isthmus: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    made = isthmus("import", "crd", folder, "--bindings", "--output", file, signed_in=False)
    assert (made.code, made.out) == (0, ""), made.err
    applied = isthmus("apply", "-f", file, "-o", "json")
    assert sorted((r["kind"], r["name"], r["result"]) for r in applied.json["applied"]) == [
        ("Binding", "front_web", "created"),
        ("Mesh", "shop", "created"),
        ("VirtualNode", "front_web", "created"),
    ]


def test_what_is_in_no_document_is_told_beside_the_definition(isthmus: Run, folder: Path) -> None:
    made = isthmus("import", "crd", folder, "-o", "json", signed_in=False)
    (shop,) = made.json
    assert (shop["kind"], shop["name"], [r["name"] for r in shop["resources"]]) == ("Mesh", "shop", ["front_web"])
    told = [line.split(maxsplit=2) for line in made.err.splitlines() if line.startswith("  ")]
    assert {(line[0], line[1]) for line in told} >= {
        ("podSelector", "1"),
        ("namespaceSelector", "1"),
        ("apps/v1", "Deployment"),
    }
    assert isthmus("import", "crd", folder / "below" / "shop.yaml", signed_in=False).out.startswith("kind: Mesh\n")


def test_templates_take_what_they_need_from_options(isthmus: Run, folder: Path, tmp_path: Path) -> None:
    options = ("--parameter", "Name=shop", "--import", "name=a=b", "--region", "eu-west-1")
    made = isthmus("import", "cloudformation", folder, *options, "-o", tmp_path / "shop.json", signed_in=False)
    assert made.code == 0, made.err
    (shop,) = json.loads((tmp_path / "shop.json").read_text())
    assert (shop["name"], shop["resources"][0]["name"]) == ("shop-eu-west-1", "a=b")


def test_what_cannot_be_worked_out_is_listed_and_nothing_is_written(isthmus: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    refused = isthmus("import", "cloudformation", folder, "--output", file, signed_in=False)
    assert (refused.code, refused.out, file.exists()) == (1, "", False)
    assert [line.split(" /")[0] for line in refused.err.splitlines()] == [
        "stack.template: Mesh Mesh",
        "stack.template: VirtualNode Node",
    ]
    assert "--parameter Name=VALUE" in refused.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("cloudformation", ".", "--parameter", "x"), "NAME=VALUE"),
        (("crd", "/nowhere"), "nowhere"),
        (("crd", "below", "-o", "/nowhere/shop.yaml"), "cannot write"),
    ],
    ids=["no pair", "no such directory", "not writable"],
)
def test_wrong_usage(
    isthmus: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(folder)
    ended = isthmus("import", *arguments, signed_in=False)
    assert (ended.code, told in ended.err) == (2, True), ended.err
