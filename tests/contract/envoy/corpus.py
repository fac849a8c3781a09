"""corpus: every definition that AWS's own examples make: what stands after each script, each spec file, each manifest.

A spec file is half of a call: what it refers to is added, as little as will do, and somebody who calls it, so that all
of it is compiled.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from isthmus.imports.crd import read_crds
from isthmus.model.definition import Definition
from isthmus.model.document import Document
from isthmus.model.files import Entry, read_file
from isthmus.model.gathered import gathered
from tests import build

Json = Any
CORPUS = Path(__file__).parents[4] / "shared/corpus/appmesh"
ATTACHED = tuple(build.attachment(cluster) for cluster in ("east", "west"))
Named = tuple[str, Definition]


def after_each_script() -> Iterator[Named]:
    """The scripts of a scenario in their order: up first, down last; what is added comes before what is updated."""
    rank = {"up": 0, "down": 2}
    scripts = sorted((CORPUS / "calls").glob("*.jsonl"))
    for scenario in sorted({path.name.partition(".")[0] for path in scripts}):
        mine = [path for path in scripts if path.name.partition(".")[0] == scenario]
        calls: list[Entry] = []
        for path in sorted(mine, key=lambda path: (rank.get(path.name.split(".")[1], 1), path.name)):
            calls += read_file(path.read_text())
            standing = gathered(calls)
            yield f"calls/{path.name}", _attached(next(iter(standing.values()), Definition("nothing")))


def _attached(definition: Definition) -> Definition:
    return replace(definition, documents={each.key: each for each in ATTACHED} | dict(definition.documents))


def spec_files() -> Iterator[Named]:
    """Each file that `aws appmesh … --cli-input-json` takes."""
    for path in sorted((CORPUS / "json").rglob("*.json")):
        said = json.loads(path.read_text())
        yield str(path.relative_to(CORPUS)), _attached(_of_spec(path.stem, said))


def _of_spec(stem: str, said: Json) -> Definition:
    """A mesh of one spec and its neighbours."""
    documents = _with_neighbours(stem, said)
    if documents[0].key.kind == "Mesh":
        return build.definition(spec=said.get("spec", {}))
    return build.definition(*documents)


def _with_neighbours(stem: str, said: Json) -> list[Document]:
    spec = said.get("spec", {})
    for member, route in spec.items():
        if member.endswith("Route"):
            named = said.get("virtualRouterName", "router")
            return _routed(spec, route, member.removesuffix("Route"), named)
    if "provider" in spec:
        return [
            build.document("VirtualService", "asked.local", spec),
            *_provider(spec["provider"]),
            *_calling("asked.local"),
        ]
    kind = next((kind for word, kind in KINDS.items() if f"-{word}" in stem), "Mesh")
    document = build.document(kind, "asked", spec)
    if kind == "VirtualNode":
        asked = [backend["virtualService"]["virtualServiceName"] for backend in spec.get("backends", ())]
        return [
            document,
            build.service("asked.local", node="asked"),
            *map(build.service, asked),
            *_calling("asked.local"),
        ]
    return [document]


KINDS = {"vn": "VirtualNode", "vg": "VirtualGateway", "vr": "VirtualRouter"}


def _routed(spec: Json, route: Json, protocol: str, router: str) -> list[Document]:
    port = route.get("match", {}).get("port", 80)
    action = route["action"]
    if "weightedTargets" in action:
        nodes = {each["virtualNode"]: each.get("port", port) for each in action["weightedTargets"]}
        return [
            *(build.node(name, port=aimed, protocol=protocol) for name, aimed in nodes.items()),
            build.router(router, port=port, protocol=protocol),
            build.document("Route", "asked", spec, parent=router),
            build.service("asked.local", router=router),
            *_calling("asked.local"),
        ]
    target = action["target"]
    service = target["virtualService"]["virtualServiceName"]
    return [
        build.node("node", port=target.get("port", 80), protocol=protocol),
        build.service(service, node="node"),
        build.gateway("gateway", port=port, protocol=protocol),
        build.document("GatewayRoute", "asked", spec, parent="gateway"),
    ]


def _provider(provider: Json) -> list[Document]:
    ((member, named),) = provider.items()
    name = named[f"{member}Name"]
    if member == "virtualNode":
        return [build.node(name)]
    return [build.node("node"), build.router(name), build.route("all", router=name, targets={"node": 1})]


def _calling(service: str) -> list[Document]:
    return [build.node("caller", port=None, backends=[service])]


def manifests() -> Iterator[Named]:
    """Each folder of Kubernetes resources, as it is imported."""
    for folder in sorted((CORPUS / "crd").glob("*")):
        files = [(file.name, file.read_text()) for file in sorted(folder.rglob("*.yaml"))]
        own_mesh = any("kind: Mesh" in text for _, text in files)
        imported = read_crds(files, None if own_mesh else "told", with_bindings=True)
        for definition in imported.definitions:
            documents = {each.key: each for each in ATTACHED} | dict(definition.documents)
            yield (
                f"crd/{folder.name}/{definition.name}",
                Definition(definition.name, definition.spec, documents=documents),
            )
