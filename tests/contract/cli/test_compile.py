"""`isthmus compile` needs no server: it tells all that is wrong, writes what Envoy is told, and asks a real Envoy."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from isthmus.model.document import Document
from isthmus.model.kinds.gateway_route import HttpGatewayRoutePathRewrite
from tests import build
from tests.contract.cli.conftest import Run

LINES = [
    {"operation": "CreateMesh", "params": {"meshName": "apps"}},
    {
        "operation": "CreateVirtualNode",
        "params": {
            "meshName": "apps",
            "virtualNodeName": "blue",
            "spec": {"listeners": [{"portMapping": {"port": 8080, "protocol": "http"}}]},
        },
    },
    {"operation": "CreateVirtualNode", "params": {"meshName": "apps", "virtualNodeName": "gone", "spec": {}}},
    {"operation": "DeleteVirtualNode", "params": {"meshName": "apps", "virtualNodeName": "gone"}},
]


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    """A whole mesh in two clusters, where `blue` may run in east only."""
    return written(tmp_path / "mesh.yaml", build.mesh(build.placement("blue", "east")).json())


def written(path: Path, *said: Any) -> Path:  # noqa: ANN401 - JSON
    path.write_text(yaml.safe_dump_all(said))
    return path


def documents(path: Path, *listed: Document) -> Path:
    return written(path, *(each.json() for each in listed))


def views(said: Any) -> set[str]:  # noqa: ANN401 - JSON
    """The views by role and name; an east-west gateway's name is the mesh's label."""
    return {view["view"].partition("@")[0] for view in said["views"] if not view["view"].startswith("east-west/")}


EVERYWHERE = {"agent", "node/front", "node/blue", "node/green", "gateway/ingress"}


def test_without_a_cluster_every_node_runs_in_one(offline: Run, mesh: Path) -> None:
    said = offline("compile", "-f", mesh, "-o", "json").json
    assert (said["mesh"], said["cluster"], views(said)) == ("shop", "local", EVERYWHERE)
    ignored = {(each["kind"], each["name"]) for each in said["ineffective"]}
    assert ignored == {("Attachment", "east"), ("Attachment", "west"), ("Placement", "blue")}


def test_with_a_cluster_the_files_own_places_count(offline: Run, mesh: Path) -> None:
    said = offline("compile", "-f", mesh, "--cluster", "west", "-o", "json").json
    assert (said["cluster"], views(said), said["ineffective"]) == ("west", EVERYWHERE - {"node/blue"}, [])
    refused = offline("compile", "-f", mesh, "--cluster", "north")
    assert (refused.code, "attaches east, west, not north" in refused.err) == (1, True)


def test_app_mesh_calls_are_what_stands_after_the_last(offline: Run, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text("\n".join(map(json.dumps, LINES)))
    said = offline("compile", "-f", path, "-o", "json").json
    assert (said["mesh"], views(said)) == ("apps", {"agent", "node/blue"})


def test_loose_documents_are_a_mesh_too(offline: Run, tmp_path: Path) -> None:
    path = documents(tmp_path / "loose.yaml", build.node("blue"))
    assert offline("compile", "-f", path, "-o", "json").json["mesh"] == "mesh"
    assert offline("compile", "-f", path, "--mesh", "shop", "-o", "json").json["mesh"] == "shop"


def test_one_of_several_meshes_must_be_named(offline: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "two.yaml", build.definition(name="a").json(), build.definition(name="b").json())
    asked = offline("compile", "-f", path)
    assert (asked.code, "(a, b): say which with --mesh" in asked.err) == (1, True)
    assert offline("compile", "-f", path, "--mesh", "b", "-o", "json").json["mesh"] == "b"


def test_everything_that_is_wrong_is_told_at_once_with_document_and_field(offline: Run, tmp_path: Path) -> None:
    node, service = build.node("blue").json(), build.service("s", node="blue").json()
    node["spec"]["listeners"][0]["portMapping"]["port"] = 0
    service["spec"]["provider"]["virtualNod"] = {}
    path = written(tmp_path / "wrong.yaml", node, service)
    told = offline("compile", "-f", path)
    assert told.code == 1
    port, provider = sorted(told.err.splitlines())
    assert port.startswith(f"{path}:/0/spec/listeners/0/portMapping/port: must be at least 1 (VirtualNode blue)")
    assert provider == f"{path}:/1/spec/provider/virtualNod: there is no such field (VirtualService s)"
    dangling = offline("compile", "-f", documents(tmp_path / "d.yaml", build.service("s", node="x")))
    at = "VirtualService s: /spec/provider/virtualNode/virtualNodeName"
    assert (dangling.code, dangling.err) == (1, f"{at}: VirtualNode x does not exist\n")


def test_a_key_that_is_said_twice_is_refused(offline: Run, tmp_path: Path) -> None:
    told = offline("compile", "-f", documents(tmp_path / "t.yaml", build.node("blue"), build.node("blue", port=1)))
    assert (told.code, "VirtualNode blue is said twice" in told.err) == (1, True)


def test_what_has_no_effect_is_always_told(offline: Run, tmp_path: Path) -> None:
    path = documents(tmp_path / "n.yaml", build.node("blue", backends=["nobody.local"]))
    reason = "VirtualNode blue /spec/backends/0/virtualService/virtualServiceName: there is no virtual service"
    assert reason in offline("compile", "-f", path).out


def test_resources_are_written_by_view_and_type_with_what_made_them(offline: Run, mesh: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = offline("compile", "-f", mesh, "--out", out, "-o", "json").json
    assert json.loads((out / "isthmus-compile.json").read_text()) == said
    tables = json.loads((out / "node" / "front@1.40" / "rds.json").read_text())
    table = next(each for each in tables if each["name"] == "outbound")
    assert (table["half"], table["origin"]) == ("calling", {"kind": "VirtualNode", "name": "front"})
    assert table["resource"]["virtual_hosts"][0]["name"] == "service/colors.local"
    for view in said["views"]:
        listed = [
            each
            for kind in view["resources"]
            for each in json.loads((out / view["folder"] / f"{kind}.json").read_text())
        ]
        assert len(listed) == view["serving"] + view["calling"]
        assert all(each["origin"] for each in listed)


def test_names_that_no_file_can_have_are_escaped_and_never_meet(offline: Run, tmp_path: Path) -> None:
    names = ["a/b", "A/b", "..", "é" * 200, "é" * 199 + "e", "a%2Fb"]
    out = tmp_path / "out"
    path = documents(tmp_path / "n.yaml", *(build.node(name) for name in names))
    said = offline("compile", "-f", path, "--out", out, "-o", "json").json
    folders = [view["folder"] for view in said["views"]]
    assert len({folder.casefold() for folder in folders}) == len(folders) == len(names) + 2
    assert all(len(part.encode()) <= 255 for folder in folders for part in folder.split("/"))
    assert all((out / folder).resolve().is_relative_to(out.resolve()) for folder in folders)
    assert all(any((out / folder).iterdir()) for folder in folders)


def test_what_was_written_before_is_replaced_and_nothing_else(offline: Run, mesh: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert offline("compile", "-f", mesh, "--out", out).code == 0
    alone = documents(tmp_path / "n.yaml", build.node("blue"))
    assert offline("compile", "-f", alone, "--out", out).code == 0
    assert sorted(p.name for p in (out / "node").iterdir()) == ["blue@1.40"]
    refused = offline("compile", "-f", alone, "--out", tmp_path)
    assert (refused.code, "is not empty" in refused.err, mesh.exists()) == (1, True, True)


def test_envoy_accepts_what_is_right(offline: Run, mesh: Path) -> None:
    said = offline("compile", "-f", mesh, "--cluster", "east", "--validate", "-o", "json")
    assert (said.code, said.json["validated"]) == (0, {"accepted": True, "refused": [], "replaced": []})


def test_what_envoy_refuses_is_told_by_document_field_and_its_words(
    offline: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that we forgot: no definition is known that we accept and Envoy does not, so one of ours is left out."""
    monkeypatch.setattr(HttpGatewayRoutePathRewrite, "violations", lambda _: iter(()))
    broken = build.gateway_route(match={"path": {"exact": "/x"}}, rewrite={"path": {"exact": "/a\nb"}})
    path = written(tmp_path / "m.yaml", build.mesh(broken).json())
    said = offline("compile", "-f", path, "--validate")
    assert said.code == 1
    assert said.err.startswith("GatewayRoute ingress/all: /spec/httpRoute/action/rewrite/path/exact: ")
    assert "RouteActionValidationError.PrefixRewrite: value does not match regex" in said.err
    assert "(rds ingress/9080 gateway-route/ingress/all of gateway/ingress@1.40)" in said.err
    assert "Envoy refuses this" in said.out


@pytest.mark.parametrize("envoy", ["/nowhere/envoy", "/bin/false", "/bin/cat"])
def test_without_an_envoy_there_is_no_verdict(offline: Run, mesh: Path, envoy: str) -> None:
    said = offline("compile", "-f", mesh, "--validate", "--envoy", envoy)
    assert (said.code, "no verdict" in said.err, "accepts" in said.out) == (1, True, False), said


def test_the_help_shows_how(offline: Run) -> None:
    said = offline("compile", "--help")
    assert "isthmus compile -f mesh.yaml --validate" in said.out
