"""cases: what a golden file says, and what is compiled from it.

A file has `about` (a sentence), `documents` (every cluster of `clusters` is attached by itself), optionally `spec` and
`settings` of the mesh, `cluster` (where it is compiled; east), and `show`: view → resources as `type name` (`type name
Message` for what is packed in it as such a message), or `all` for the names of everything. `envoy` is what came of it,
and `ineffective` what had no effect. The view `proxyless/<node>` is what gRPC's own client gets (`without_proxy`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from isthmus.ir.surroundings import ClusterFacts, Surroundings
from isthmus.model import check
from isthmus.model.definition import Definition, parse_definition
from isthmus.values import mesh_label
from isthmus.xds.compile import Compiled, compile_mesh
from isthmus.xds.decoded import decoded
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, view_id
from tests.golden import without_proxy

HERE = Path(__file__).parent
MESH_ID = UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")
PROXYLESS = "proxyless/"
REGIONS = {"east": "us-east-1", "west": "eu-west-1", "north": "us-east-1"}


@dataclass(frozen=True)
class Case:
    """One golden file."""

    path: Path
    said: Mapping[str, Any]

    @property
    def definition(self) -> Definition:
        clusters = self.said.get("clusters", ["east", "west"])
        attached = [{"kind": "Attachment", "name": cluster, "spec": {}} for cluster in clusters]
        raw = {"kind": "Mesh", "name": "shop", "spec": self.said.get("spec", {})}
        raw |= {"settings": self.said.get("settings", {}), "resources": [*attached, *self.said["documents"]]}
        definition = parse_definition(raw)
        assert check.check(definition) == (), "a golden case must be a definition that the API accepts"
        return definition

    def compiled(self) -> Compiled:
        return compile_mesh(self.definition, surroundings(), self.said.get("cluster", "east"))

    def shown(self, compiled: Compiled) -> dict[str, Any]:
        """What the file is to show of what was compiled."""
        out: dict[str, Any] = {}
        for view, wanted in self.said["show"].items():
            if view.startswith(PROXYLESS):
                out[view] = _without_proxy(compiled.snapshot, view.removeprefix(PROXYLESS), wanted)
                continue
            listed = list(resources(compiled.snapshot, _id(view)))
            out[view] = _names(compiled.snapshot, view) if wanted == "all" else _bodies(listed, wanted)
        said = {"envoy": out}
        lost = [f"{i.key} {i.pointer}: {i.reason}" for i in compiled.ineffective]
        return said | ({"ineffective": lost} if lost else {})

    def write(self, shown: Mapping[str, Any]) -> None:
        kept = {k: v for k, v in self.said.items() if k not in ("envoy", "ineffective")}
        plain = json.loads(json.dumps(kept | dict(shown)))  # protobuf gives OrderedDicts, unknown to YAML
        text = yaml.safe_dump(plain, sort_keys=False, width=118, default_flow_style=None)
        self.path.write_text(text)


def cases() -> Iterator[Case]:
    """Every golden file."""
    for path in sorted(HERE.rglob("*.yaml")):
        yield Case(path, yaml.safe_load(path.read_text()))


def surroundings() -> Surroundings:
    """The clusters that golden cases can be attached to."""
    facts = {
        name: ClusterFacts(UUID(int=i), name, region, name, f"{name}-1.acme.isthmus.internal")
        for i, (name, region) in enumerate(REGIONS.items())
    }
    return Surroundings(MESH_ID, "111122223333", "us-east-1", "acme", "isthmus.internal", facts)


def resources(snapshot: Snapshot, view: str) -> Iterator[Resource]:
    """A view's resources, sorted."""
    for ref in snapshot.manifest.refs(view):
        yield snapshot.resources[ref.version]


def _id(view: str) -> str:
    """A view as files call it (`node/front`, `east-west`, `agent`) by its id."""
    role, _, name = view.partition("/")
    if view == AGENT_VIEW:
        return view
    return view_id(role, name or mesh_label(MESH_ID), "1.40")


def _without_proxy(snapshot: Snapshot, node: str, wanted: list[str]) -> dict[str, Any]:
    """What gRPC's own client gets, and what of the definition it cannot do."""
    told = without_proxy.told(snapshot, node)
    lacks = {"lacks": list(told.lacks)} if told.lacks else {}
    return _bodies([each.resource for each in told.composed], wanted) | lacks


def _names(snapshot: Snapshot, view: str) -> dict[str, list[str]]:
    parts = snapshot.manifest.views[_id(view)]
    halves = {"serving": parts.serving, "calling": parts.calling}
    return {half: [f"{r.type} {r.name}" for r in refs] for half, refs in halves.items()}


def _bodies(listed: list[Resource], wanted: list[str]) -> dict[str, Any]:
    by_name = {f"{r.type} {r.name}": r for r in listed}
    return {name: _shown(by_name, name) for name in wanted}


def _shown(by_name: Mapping[str, Resource], wanted: str) -> Any:  # noqa: ANN401 - JSON
    kind, name, *message = wanted.split(" ")
    body = decoded(by_name[f"{kind} {name}"])
    return list(_packed(body, *message)) if message else body


def _packed(body: Any, message: str) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Every message of a type (by its last name), in the order in which they stand."""
    if isinstance(body, dict) and body.get("@type", "").endswith(f".{message}"):
        yield body
    elif isinstance(body, dict | list):
        for each in body.values() if isinstance(body, dict) else body:
            yield from _packed(each, message)
