"""images: what Envoys of App Mesh's own image get, of those that have shown whose they are.

Such an Envoy has no warden, hence no key and no identity (docs/decisions/007): it speaks plaintext, so it can neither
be nor call a node that is strict, nor be a gateway of a strict mesh. It calls what runs in this cluster and nothing
else, because gateways between clusters pass on mutual TLS only. What has a proxy of ours before it is called at the
application itself, as by callers without one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gateway.agent.acks import Sighting
from gateway.agent.bare import bare
from gateway.agent.inventory import Workload
from gateway.agent.minors import newest, no_view
from gateway.agent.plans import NODE, Image, Plain, Shared
from gateway.agent.world import World
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Topology, endpoints
from isthmus.xds.snapshot import view_id

STRICT = "its transport is strict, and App Mesh's image has no identity here: use a warden, or make it permissive"

REMEMBERED_SECONDS = 900.0
"""How long an Envoy that has gone is counted, as lost: longer than a rollout looks at it."""


def remembered(known: Mapping[str, Workload], sightings: Mapping[str, Sighting], now: float) -> Mapping[str, Workload]:
    """Those of the images known that are here, or went not long ago; `now` in epoch seconds."""
    since = now - REMEMBERED_SECONDS
    return {n: work for n, work in known.items() if (s := sightings.get(n)) and (s.connected or s.since >= since)}


def plain(world: World, shared: Mapping[str, Shared], before: Mapping[str, Plain]) -> Mapping[str, Plain]:
    """What images may call, of every mesh that has some."""
    return {mesh: _plain(shared[mesh], world, before.get(mesh)) for mesh in _meshes(world) if mesh in shared}


def _meshes(world: World) -> set[str]:
    return {image.mesh for image in world.images.values()}


def _plain(shared: Shared, world: World, before: Plain | None) -> Plain:
    if before and before.of is shared:
        return before
    local = [replace(instance, ports={}) for instance in shared.local]
    found = endpoints(shared.directory, Topology(local, (), shared.resolved), world.place.here)
    return Plain(shared, found, bare(shared.directory, local, found))


def images(world: World, of: Mapping[str, Plain]) -> Iterator[tuple[str, Image | str]]:
    """Recipes by proxy, or why there is none."""
    for name, work in world.images.items():
        mesh = world.meshes.get(work.mesh)
        if mesh is None:
            yield name, "its mesh is not in this cluster"
        elif why := absent(mesh.directory, work.role, work.of):
            yield name, why
        elif not speakable(mesh.directory, work.role, work.of):
            yield name, STRICT
        elif (minor := newest(mesh, work.role, work.of)) is None:
            yield name, no_view(None)
        else:
            wanted = mesh.secrets.get(view_id(work.role, work.of, minor), frozenset())
            yield name, Image(mesh, of[work.mesh], work, minor, world.capture, world.managed.secrets(wanted))


def speakable(directory: Directory, role: str, of: str) -> bool:
    """Whether a node or gateway that is here may speak plaintext; gateways say nothing of their own."""
    return directory.nodes[of].permissive if role == NODE else directory.facts.permissive


def absent(directory: Directory, role: str, of: str) -> str:
    """Why a node or gateway is not here; empty if it is."""
    here = of in (directory.nodes if role == NODE else directory.gateways)
    return "" if here else f"virtual {role} {of} is not placed in this cluster"
