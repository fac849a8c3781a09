"""Definition files in all their forms, and every file of the corpus."""

import json
from pathlib import Path
from typing import Any

import pytest

from isthmus.errors import Invalid
from isthmus.model.calls import Call
from isthmus.model.check import check
from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key, parse_spec
from isthmus.model.files import read_file
from tests import build

Json = Any
CORPUS = Path(__file__).parents[4] / "shared/corpus/appmesh"
CALLS, SPECS = sorted(CORPUS.glob("calls/*.jsonl")), sorted(CORPUS.glob("json/**/*.json"))

YAML = """
kind: Mesh
name: shop
spec: {}
---
kind: VirtualNode
name: blue
spec:
  listeners:
    - portMapping: {port: 8080, protocol: http}
---
# nothing
"""


def test_yaml_documents() -> None:
    mesh, node = read_file(YAML)
    assert isinstance(mesh, Definition)
    assert isinstance(node, Document)
    assert (mesh.name, node.key) == ("shop", Key("VirtualNode", "blue"))


def test_json_one_or_a_list() -> None:
    made = build.mesh()
    assert read_file(json.dumps(made.json(), indent=1)) == (made,)
    documents = tuple(made.documents.values())
    assert read_file(json.dumps([document.json() for document in documents])) == documents


def test_calls_one_a_line() -> None:
    lines = [
        {"operation": "CreateMesh", "params": {"meshName": "m"}},
        {"operation": "DeleteMesh", "params": {"meshName": "m"}},
    ]
    read = read_file("\n".join(map(json.dumps, lines)) + "\n\n")
    assert [entry.verb for entry in read if isinstance(entry, Call)] == ["create", "delete"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", {("", "not_yaml")}),
        ("[" * 100_000, {("", "too_deep")}),
        ("text", {("", "wrong_type")}),
        ("{kind: VirtualNode, name: n, spec: {}, name: m}", {("", "duplicate_key")}),
        ('{"kind": "VirtualNode", "name": "n", "spec": {}, "name": "m"}', {("", "duplicate_key")}),
        ("{kind: VirtualNode, name: 2026-01-01, spec: {}}", {("/name", "wrong_type")}),
        ("{kind: VirtualNode, name: n, spec: {1: 2}}", {("/spec/1", "unknown_field")}),
        ("kind: Mesh\nname: m\n---\nkind: Mesh\nspec: {}", {("/0/spec", "missing"), ("/1/name", "missing")}),
        ("!!python/object/apply:os.system [ls]", {("", "not_yaml")}),
    ],
)  # fmt: skip
def test_a_file_is_refused_for(text: str, expected: set[tuple[str, str]]) -> None:
    with pytest.raises(Invalid) as caught:
        read_file(text)
    assert {(v.pointer, v.code) for v in caught.value.violations} == expected


def test_a_number_too_big_or_not_a_number_is_refused_not_crashed_on() -> None:
    for value in ("NaN", "1e400", "123456789" * 50):
        spec = f'{{"listeners": [{{"portMapping": {{"port": {value}, "protocol": "http"}}}}]}}'
        with pytest.raises(Invalid):
            read_file(f'{{"kind": "VirtualRouter", "name": "r", "spec": {spec}}}')


@pytest.mark.shared
@pytest.mark.skipif(not CALLS, reason="../shared is absent")
@pytest.mark.parametrize("path", CALLS, ids=lambda path: path.name)
def test_the_calls_of_the_corpus_parse_and_come_back_equal(path: Path) -> None:
    text = path.read_text()
    for call, line in zip(read_file(text), text.splitlines(), strict=True):
        assert isinstance(call, Call)
        if call.document is not None:
            assert call.document.spec.json_object() == json.loads(line)["params"].get("spec", {})


@pytest.mark.shared
@pytest.mark.skipif(not CALLS, reason="../shared is absent")
@pytest.mark.parametrize("path", [p for p in CALLS if p.name.endswith(".up.jsonl")], ids=lambda path: path.name)
def test_what_the_corpus_builds_up_passes_the_check_after_every_call(path: Path) -> None:
    documents: dict[Key, Document] = {}
    for call in read_file(path.read_text()):
        assert isinstance(call, Call)
        if call.document is not None and call.key.kind != "Mesh":
            documents[call.key] = call.document
        assert check(Definition(call.mesh, documents=documents)) == ()


@pytest.mark.shared
@pytest.mark.skipif(not SPECS, reason="../shared is absent")
@pytest.mark.parametrize("path", SPECS, ids=lambda path: f"{path.parents[1].name}/{path.name}")
def test_the_specs_of_the_corpus_parse_and_come_back_equal(path: Path) -> None:
    raw = json.loads(path.read_text() or "{}").get("spec", {})
    assert parse_spec(_kind(path.stem, raw), raw).json_object() == raw


def _kind(stem: str, raw: Json) -> str:
    """The files do not say it; their names and members do."""
    routed = [route for member, route in raw.items() if member.endswith("Route")]
    if routed:
        return "GatewayRoute" if "target" in routed[0]["action"] else "Route"
    parts = {"mesh": "Mesh", "vn": "VirtualNode", "vs": "VirtualService", "vr": "VirtualRouter", "vg": "VirtualGateway"}
    return next(kind for part, kind in parts.items() if part in stem.split("-"))
