"""offers: what a hub offers of one mesh becomes what this cluster is to have, or is refused as a whole.

Everything is checked before anything of it is kept: that each body is what its version says, that the manifest is what
the position says, that nothing is missing, and that the agent's own view can be read. Half an offer is never applied.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.proto import link_pb2 as link
from isthmus.xds.directory import Directory
from isthmus.xds.managed import secrets_of
from isthmus.xds.snapshot import AGENT_VIEW, Manifest, Resource, Type


class Refused(Exception):
    """An offer that will not be applied. `resource` is the version or name that is wrong, empty for the whole."""

    def __init__(self, resource: str, reason: str) -> None:
        super().__init__(reason)
        self.resource, self.reason = resource, reason


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """One mesh as this cluster has it. Two offers are never equal: identity says whether anything was offered anew.

    `versions`: view → its version; `resources`: every body that the manifest refers to, by version. `secrets`: view →
    the managed secrets that it names, where there are any.
    """

    position: link.Position
    phase: str
    manifest: Manifest
    resources: Mapping[str, Resource]
    directory: Directory
    versions: Mapping[str, str]
    secrets: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def view(self, view: str) -> Sequence[Resource]:
        """All resources of one view; empty if there is no such view."""
        return [self.resources[ref.version] for ref in self.manifest.refs(view)]

    def message(self) -> link.Offer:
        """The offer with every body, as it is kept on disk."""
        bodies = [link.Body(version=v, type=r.type, name=r.name, body=r.body) for v, r in self.resources.items()]
        return link.Offer(
            position=self.position, phase=self.phase, manifest=self.manifest.text().encode(), bodies=bodies
        )


def accept(offer: link.Offer, held: Mapping[str, Resource]) -> Mesh:
    """The mesh that is offered, with bodies from the offer and from `held` (by version); raises Refused."""
    manifest = _manifest(offer)
    known = {**held, **{body.version: _resource(body) for body in offer.bodies}}
    wanted = sorted(manifest.versions())
    missing = [version for version in wanted if version not in known]
    if missing:
        raise Refused(missing[0], f"{len(missing)} of {len(wanted)} resources are missing")
    resources = {version: known[version] for version in wanted}
    directory = _directory([resources[ref.version] for ref in manifest.refs(AGENT_VIEW)])
    if str(directory.facts.id) != offer.position.mesh:
        raise Refused(AGENT_VIEW, f"the content is of mesh {directory.facts.id}, not {offer.position.mesh}")
    versions = {view: manifest.view_version(view) for view in manifest.views if view != AGENT_VIEW}
    return Mesh(offer.position, offer.phase, manifest, resources, directory, versions, _secrets(manifest, resources))


def good(bodies: Iterable[link.Body]) -> dict[str, Resource]:
    """Those bodies that are what they say, by version: the hub takes them as held, whatever becomes of the offer."""
    out = {}
    for body in bodies:
        with suppress(Refused):
            out[body.version] = _resource(body)
    return out


def _secrets(manifest: Manifest, resources: Mapping[str, Resource]) -> Mapping[str, frozenset[str]]:
    """Looked for once an offer, because a proxy is composed again with every endpoint that moves."""
    named = {version: wanted for version, resource in resources.items() if (wanted := secrets_of(resource))}
    found = {
        view: frozenset(name for half in parts for ref in half for name in named.get(ref.version, ()))
        for view, parts in (manifest.views.items() if named else ())
    }
    return {view: wanted for view, wanted in found.items() if wanted}


def _manifest(offer: link.Offer) -> Manifest:
    try:
        manifest = Manifest.parse(offer.manifest)
        version = manifest.version
    except (ValueError, TypeError, AttributeError) as broken:
        raise Refused("", f"the manifest cannot be read: {broken}") from broken
    if version != offer.position.version:
        raise Refused("", f"the manifest is {version}, not {offer.position.version}")
    return manifest


def _resource(body: link.Body) -> Resource:
    try:
        resource = Resource(Type(body.type), body.name, body.body)
    except ValueError as unknown:
        raise Refused(body.name, f"there is no type {body.type!r}") from unknown
    if resource.ref.version != body.version:
        raise Refused(body.name, f"the body of {body.type} {body.name} is not version {body.version}")
    return resource


def _directory(resources: Sequence[Resource]) -> Directory:
    try:
        directory = Directory.read(resources)
    except (ValueError, TypeError, KeyError, AttributeError, json.JSONDecodeError) as broken:
        raise Refused(AGENT_VIEW, f"the agent's view cannot be read: {broken!r}") from broken
    if directory is None:
        raise Refused(AGENT_VIEW, "the agent's view does not name its mesh")
    return directory
