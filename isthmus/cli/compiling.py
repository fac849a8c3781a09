"""compiling: a definition file as Envoy's resources, offline: checked, compiled, written, validated by a real Envoy."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from isthmus.errors import Invalid, Violation
from isthmus.ir.mesh import Ineffective
from isthmus.model.check import findings
from isthmus.model.definition import Definition
from isthmus.model.files import Entry
from isthmus.model.gathered import gathered
from isthmus.model.key import Key
from isthmus.model.structure import broken
from isthmus.values import base32id
from isthmus.xds import offline
from isthmus.xds.compile import Compiled, compile_mesh
from isthmus.xds.decoded import counted, told
from isthmus.xds.origins import Known
from isthmus.xds.snapshot import AGENT_VIEW, Snapshot

INDEX = "isthmus-compile.json"
"""What is in the folder that was written: the report, with each view's own folder."""

ROLES = ("node", "gateway", "east-west", AGENT_VIEW)
"""The folders in it."""

_LONGEST_FILE_NAME = 200
"""Bytes; file systems take 255."""


@dataclass(frozen=True)
class Offline:
    """One mesh for one cluster. `ignored`: documents that have no say, because nobody named a cluster."""

    definition: Definition
    cluster: str
    ignored: tuple[Key, ...]
    compiled: Compiled

    @property
    def known(self) -> Known:
        """What names lead back to."""
        return Known.by(self.definition.name, offline.mesh_id(self.definition.name), self.compiled.snapshot.manifest)

    def compile_again(self, definition: Definition) -> Snapshot:
        """Another definition for the same cluster."""
        return compile_mesh(definition, offline.surroundings(definition), self.cluster).snapshot


def one_mesh(entries: Sequence[Entry], mesh: str | None) -> Definition:
    """The mesh that the entries define, or the one of that name among several. Invalid with everything wrong in it."""
    meshes = gathered(entries, mesh)
    named = sorted(meshes)
    if mesh is None and len(named) == 1:
        mesh = named[0]
    if mesh is None or mesh not in meshes:
        several = f"there is more than one mesh ({', '.join(named)}): say which with --mesh"
        detail = several if len(named) > 1 and mesh is None else f"there is no mesh {mesh or ''}".rstrip()
        raise Invalid.one("", "no_such_mesh", detail)
    definition = meshes[mesh]
    wrong = [(Key("Mesh", mesh), v) for v in broken(definition.spec, "/spec")] + list(findings(definition))
    if wrong:
        raise Invalid(Violation(f"{key}: {v.pointer}", v.code, v.detail) for key, v in wrong)
    return definition


def compile_offline(definition: Definition, cluster: str | None) -> Offline:
    """For one of the clusters that the definition attaches, or else for the one cluster `local`."""
    ignored: tuple[Key, ...] = ()
    if cluster is None:
        definition, ignored = offline.everywhere(definition)
    elif cluster not in offline.attached(definition):
        there = ", ".join(offline.attached(definition)) or "no cluster"
        detail = f"the definition attaches {there}, not {cluster}: add an Attachment, or leave --cluster out"
        raise Invalid.one(f"--cluster {cluster}", "not_attached", detail)
    cluster = cluster or offline.LOCAL
    return Offline(definition, cluster, ignored, compile_mesh(definition, offline.surroundings(definition), cluster))


def report(of: Offline) -> dict[str, Any]:
    """What was compiled, in short, and what is said without effect."""
    manifest = of.compiled.snapshot.manifest
    return {
        "mesh": of.definition.name,
        "cluster": of.cluster,
        "version": manifest.version,
        "views": [counted(manifest, view) for view in manifest.views],
        "ineffective": list(_without_effect(of)),
    }


def _without_effect(of: Offline) -> Iterator[Mapping[str, str]]:
    lost = [Ineffective(key, "", "without --cluster every node runs in one cluster, `local`") for key in of.ignored]
    for key, pointer, reason in (*lost, *of.compiled.ineffective):
        yield {"kind": key.kind, "name": key.text, "pointer": pointer, "reason": reason}


def write(of: Offline, said: dict[str, Any], out: Path) -> None:
    """`OUT/<role>/<name>/<type>.json` for each view, and the index. What an earlier run wrote there goes first."""
    _clear(out)
    snapshot, taken = of.compiled.snapshot, set[str]()
    for line in said["views"]:
        folder = _folder(line["view"])
        if folder.casefold() in taken:  # on a file system that does not know case
            folder = f"{folder}~{base32id(line['view'])}"
        taken.add(folder.casefold())
        line["folder"] = folder
        listed = list(told(snapshot.manifest, line["view"], snapshot.resources, of.known))
        (out / folder).mkdir(parents=True)
        for kind in line["resources"]:
            _write(out / folder / f"{kind}.json", [each for each in listed if each["type"] == kind])
    _write(out / INDEX, said)


def _clear(out: Path) -> None:
    """Remove what an earlier run has written; Invalid if there is anything that none has."""
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / INDEX).exists():
        detail = f"is not empty and was not written by this command (it has no {INDEX})"
        raise Invalid.one(f"--out {out}", "not_empty", detail)
    for role in ROLES:
        if (out / role).is_symlink():  # never through it: it may lead anywhere
            (out / role).unlink()
        elif (out / role).exists():
            shutil.rmtree(out / role)
    (out / INDEX).unlink()


def _folder(view: str) -> str:
    """A view's folder: names hold any character, files do not."""
    role, slash, name = view.partition("/")
    escaped = quote(name, safe="@")
    if len(escaped) > _LONGEST_FILE_NAME:
        escaped = f"{escaped[:_LONGEST_FILE_NAME]}~{base32id(name)}"
    return f"{role}{slash}{escaped}"


def _write(path: Path, value: Any) -> None:  # noqa: ANN401 - JSON
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def validate(of: Offline, envoy: Path | None, progress: Any) -> dict[str, Any]:  # noqa: ANN401 - gateway.envoy's
    """What a real Envoy says of every view. Unavailable if there is no Envoy to say it."""
    from gateway.envoy.findings import findings as refused  # the tenant who does not validate needs no Envoy
    from gateway.envoy.validate import Validator

    validator = Validator(envoy)
    found = refused(of.definition, of.compile_again, of.known, validator, progress)
    return {
        "accepted": not found,
        "refused": [
            {
                "kind": each.key.kind,
                "name": each.key.text,
                "pointer": each.pointer,
                "part": each.part,
                "views": list(each.views),
                "words": each.words,
            }
            for each in found
        ],
        "replaced": sorted(validator.replaced),
    }
