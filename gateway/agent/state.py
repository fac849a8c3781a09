"""state: the last known good on disk, one file for each thing that is replaced as a whole.

A mesh is one file with all of its bodies: one rename makes it the truth, so manifest and bodies never disagree. What
cannot be read or no longer passes the checks of `offers` is left out, with a line in the log; the hub sends it again.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import DecodeError, Message

from gateway.agent.managed import NOTHING, Managed
from gateway.agent.offers import Mesh, Refused, accept
from gateway.agent.proxied import Proxied
from gateway.agent.world import Place, World
from gateway.edge import disk
from gateway.edge.lines import line
from gateway.proto import link_pb2 as link

LOG = logging.getLogger("isthmus.agent.state")
Kept = TypeVar("Kept", bound=Message)


class State:
    """What an agent keeps below its data directory."""

    def __init__(self, folder: Path) -> None:
        self._kept = folder / "kept"

    @property
    def instances(self) -> Path:
        """Where the file discovery keeps what was good last."""
        return self._kept / "instances.yaml"

    @property
    def resolved(self) -> Path:
        """Where the resolver keeps the last addresses of names."""
        return self._kept / "resolved.json"

    def place(self, place: Place) -> None:
        """Keep what the hub said of this cluster."""
        said = asdict(place) | {"cluster_id": str(place.cluster_id)}
        disk.write(self._kept / "place.json", json.dumps(said).encode())

    def definition(self, mesh: Mesh) -> None:
        """Keep a mesh as offered."""
        disk.write(self._of("definition", mesh.position.mesh), mesh.message().SerializeToString())

    def imports(self, imports: link.Imports) -> None:
        """Keep the other clusters of a mesh."""
        disk.write(self._of("imports", imports.position.mesh), imports.SerializeToString())

    def summary(self, summary: link.Summary) -> None:
        """Keep what was said upwards: its generation must grow over restarts."""
        disk.write(self._of("summaries", summary.mesh), summary.SerializeToString())

    def proxied(self, proxied: Proxied) -> None:
        """Keep before which instances a proxy was seen."""
        disk.write(self._kept / "proxied.json", json.dumps(proxied, sort_keys=True).encode())

    def trust(self, trust: link.Trust) -> None:
        """Keep the bundles."""
        disk.write(self._kept / "trust.pb", trust.SerializeToString())

    def certificates(self, certificates: link.Certificates) -> None:
        """Keep the managed certificates, keys among them: the file is its owner's alone, as all of ours are."""
        disk.write(self._kept / "certificates.pb", certificates.SerializeToString())

    def withdraw(self, mesh: str) -> None:
        """Forget a mesh; what was said upwards of it stays, for its generation."""
        disk.remove(self._of("definition", mesh))
        disk.remove(self._of("imports", mesh))

    def world(self, place: Place) -> World:
        """Everything kept, as the world to begin with. `place` says who we are, and is completed."""
        trust = _parsed(link.Trust(), disk.read(self._kept / "trust.pb"))
        certificates = _parsed(link.Certificates(), disk.read(self._kept / "certificates.pb"))
        world = World(
            place=self._known(place),
            meshes=dict(self._meshes()),
            imports=dict(self._all("imports", link.Imports)),
            proxied=self._proxied(),
            managed=Managed.of(certificates) if certificates else NOTHING,
        )
        return trusting(world, trust) if trust else world

    def summaries(self) -> Mapping[str, link.Summary]:
        """The last summary of every mesh."""
        return dict(self._all("summaries", link.Summary))

    def _known(self, place: Place) -> Place:
        """The region and trust domain of the same cluster, if the hub has ever said them."""
        said = json.loads(disk.read(self._kept / "place.json") or b"{}")
        if said.get("cluster_id") != str(place.cluster_id):
            return place
        return replace(place, region=said["region"], trust_domain=place.trust_domain or said["trust_domain"])

    def _proxied(self) -> Proxied:
        said = json.loads(disk.read(self._kept / "proxied.json") or b"{}")
        return {name: {int(port): inbound for port, inbound in ports.items()} for name, ports in said.items()}

    def _meshes(self) -> Iterator[tuple[str, Mesh]]:
        for mesh, offer in self._all("definition", link.Offer):
            try:
                yield mesh, accept(offer, {})
            except Refused as refused:
                LOG.error(line("kept_refused", mesh=mesh, resource=refused.resource, reason=refused.reason))  # noqa: TRY400

    def _all(self, kind: str, shape: type[Kept]) -> Iterator[tuple[str, Kept]]:
        for path in sorted((self._kept / kind).glob("[!.]*.pb")):
            kept = _parsed(shape(), disk.read(path))
            if kept is not None:
                yield path.stem, kept

    def _of(self, kind: str, mesh: str) -> Path:
        """A mesh's file. The id becomes a file name, so it is nothing but a UUID (ValueError)."""
        return self._kept / kind / f"{UUID(mesh)}.pb"


def trusting(world: World, trust: link.Trust) -> World:
    """The world with these bundles."""
    domains = {bundle.trust_domain: tuple(bundle.roots_pem) for bundle in trust.bundles if bundle.roots_pem}
    return replace(world, trust=domains, trust_position=trust.position)


def _parsed(shape: Kept, body: bytes | None) -> Kept | None:
    if body is None:
        return None
    try:
        shape.ParseFromString(body)
    except DecodeError:
        return None
    return shape
