"""compose: who of this cluster gets which view, in which version, under which identity, from all that the agent knows.

Pure, and given what was composed before: a proxy whose inputs are the very same keeps its plan, so an endpoint that
moves costs the proxies of its mesh and no others. What an Envoy is told is decided in `isthmus.xds`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

from gateway.agent.bare import bare
from gateway.agent.images import images, plain
from gateway.agent.inventory import Inventory, Workload, take
from gateway.agent.minors import minor_of, no_view
from gateway.agent.peers import remote
from gateway.agent.plans import EAST_WEST, NODE, EastWest, Plain, Plan, Recipe, Served, Shared, Sidecar, local
from gateway.agent.proxied import ports
from gateway.agent.world import World
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import LocalInstance, Topology, endpoints
from isthmus.xds.secrets import bundle
from isthmus.xds.snapshot import Resource


@dataclass(frozen=True, slots=True)
class Composition:
    """Everything composed. `plans` by proxy, `shared` by mesh; `left_out`: instance or gateway → why.

    `roots`: what trust it was made from, and the secret. `images`: those of the world that it was made from.
    """

    inventory: Inventory = field(default_factory=Inventory)
    plans: Mapping[str, Plan] = field(default_factory=dict)
    shared: Mapping[str, Shared] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[Mapping[str, tuple[bytes, ...]], Resource | None] = field(default=({}, None))
    images: Mapping[str, Workload] = field(default_factory=dict)
    plain: Mapping[str, Plain] = field(default_factory=dict)


NOTHING = Composition()


def compose(world: World, before: Composition = NOTHING) -> Composition:
    """What follows from `world`, keeping what of `before` still holds."""
    inventory = take({mesh: m.directory for mesh, m in world.meshes.items()}, world.found.instances)
    shared = {mesh: _shared(mesh, inventory, world, before.shared.get(mesh)) for mesh in world.meshes}
    roots = before.roots if before.roots[0] is world.trust else (world.trust, _roots(world))
    plainly = plain(world, shared, before.plain)
    recipes: dict[str, Recipe | str] = dict(_sidecars(world, inventory, shared, roots[1]))
    recipes |= dict(_east_west(world, shared)) | dict(images(world, plainly))
    left_out = {**inventory.left_out, **{name: recipe for name, recipe in recipes.items() if isinstance(recipe, str)}}
    plans = {n: _kept(before.plans.get(n), recipe) for n, recipe in recipes.items() if not isinstance(recipe, str)}
    return Composition(inventory, plans, shared, left_out, roots, world.images, plainly)


def _kept(before: Plan | None, recipe: Recipe) -> Plan:
    return before if before and before.recipe == recipe else recipe.plan()


def _roots(world: World) -> Resource | None:
    return bundle(world.trust) if world.trust else None


def _shared(mesh: str, inventory: Inventory, world: World, before: Shared | None) -> Shared:
    directory, imports = world.meshes[mesh].directory, world.imports.get(mesh)
    instances = tuple(_reached(w, directory, world) for w in inventory.of(mesh, NODE))
    if before and before.directory is directory and before.imports is imports and before.local == instances:
        return before
    found = endpoints(directory, Topology(instances, remote(imports)), world.place.here)
    by_address = sorted(instances, key=lambda each: each.address)
    at = ((address, tuple(each)) for address, each in groupby(by_address, key=lambda each: each.address))
    crowded = {address: several for address, several in at if len(several) > 1}
    return Shared(directory, imports, instances, found, crowded, bare(directory, instances, found))


def _reached(work: Workload, directory: Directory, world: World) -> LocalInstance:
    """A workload as others reach it: through its proxy only where that was seen."""
    return replace(local(work, directory), ports=ports(work.instance, world.proxied, siblings=world.siblings))


def _sidecars(
    world: World, inventory: Inventory, shared: Mapping[str, Shared], roots: Resource | None
) -> Iterator[tuple[str, Sidecar | str]]:
    """The proxies before instances, and virtual gateways: recipes, or why there is none."""
    for work in inventory.workloads:
        name, mesh = work.instance.name, world.meshes[work.mesh]
        if not work.instance.proxied:
            continue
        minor = minor_of(mesh, work.role, work.of, world.minors.get(name))
        if roots is None or not world.place.trust_domain:
            yield name, "no trust bundle is known yet"
        elif minor is None:
            yield name, no_view(world.minors.get(name))
        else:
            yield name, Sidecar(mesh, shared[work.mesh], work, roots, minor, world.place.trust_domain)


def _east_west(world: World, shared: Mapping[str, Shared]) -> Iterator[tuple[str, EastWest | str]]:
    """East-west gateways. Without any mesh there is nothing for one to listen for."""
    for gateway in world.found.gateways:
        seen = world.minors.get(gateway.name)
        minors = {m: minor_of(mesh, EAST_WEST, mesh.directory.facts.label, seen) for m, mesh in world.meshes.items()}
        served = [Served(m, world.meshes[m], shared[m], minor) for m, minor in sorted(minors.items()) if minor]
        yield gateway.name, EastWest(tuple(served), gateway, world.place) if served else no_view(seen)
