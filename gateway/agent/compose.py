"""compose: who of this cluster gets which view, in which version, under which identity, from all that the agent knows.

Pure, and given what was composed before: a proxy whose inputs are the very same keeps its plan, so an endpoint that
moves costs the proxies of its mesh and no others. What an Envoy is told is decided in `isthmus.xds`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.agent.inventory import Inventory, take
from gateway.agent.offers import Mesh
from gateway.agent.peers import remote
from gateway.agent.plans import EAST_WEST, NODE, EastWest, Plan, Served, Shared, Sidecar, local
from gateway.agent.world import World
from isthmus.xds.endpoints import Topology, endpoints
from isthmus.xds.secrets import bundle
from isthmus.xds.snapshot import Resource


@dataclass(frozen=True, slots=True)
class Composition:
    """Everything composed. `plans` by proxy, `shared` by mesh; `left_out`: instance or gateway → why.

    `roots`: what trust it was made from, and the secret.
    """

    inventory: Inventory = field(default_factory=Inventory)
    plans: Mapping[str, Plan] = field(default_factory=dict)
    shared: Mapping[str, Shared] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[Mapping[str, tuple[bytes, ...]], Resource | None] = field(default=({}, None))


NOTHING = Composition()


def compose(world: World, before: Composition = NOTHING) -> Composition:
    """What follows from `world`, keeping what of `before` still holds."""
    inventory = take({mesh: m.directory for mesh, m in world.meshes.items()}, world.found.instances)
    shared = {mesh: _shared(mesh, inventory, world, before.shared.get(mesh)) for mesh in world.meshes}
    roots = before.roots if before.roots[0] is world.trust else (world.trust, _roots(world))
    recipes = [*_sidecars(world, inventory, shared, roots[1]), *_east_west(world, shared)]
    left_out = {**inventory.left_out, **{name: recipe for name, recipe in recipes if isinstance(recipe, str)}}
    plans = {n: _kept(before.plans.get(n), recipe) for n, recipe in recipes if not isinstance(recipe, str)}
    return Composition(inventory, plans, shared, left_out, roots)


def _kept(before: Plan | None, recipe: Sidecar | EastWest) -> Plan:
    return before if before and before.recipe == recipe else recipe.plan()


def _roots(world: World) -> Resource | None:
    return bundle(world.trust) if world.trust else None


def _shared(mesh: str, inventory: Inventory, world: World, before: Shared | None) -> Shared:
    instances = tuple(local(w) for w in inventory.of(mesh, NODE))
    directory, imports = world.meshes[mesh].directory, world.imports.get(mesh)
    if before and before.directory is directory and before.imports is imports and before.local == instances:
        return before
    found = endpoints(directory, Topology(instances, remote(imports)), world.place.here)
    return Shared(directory, imports, instances, found)


def _sidecars(
    world: World, inventory: Inventory, shared: Mapping[str, Shared], roots: Resource | None
) -> Iterator[tuple[str, Sidecar | str]]:
    """The proxies before instances, and virtual gateways: recipes, or why there is none."""
    for work in inventory.workloads:
        name, mesh = work.instance.name, world.meshes[work.mesh]
        if not work.instance.proxied:
            continue
        minor = _minor(mesh, work.role, work.of, world.minors.get(name))
        if roots is None or not world.place.trust_domain:
            yield name, "no trust bundle is known yet"
        elif minor is None:
            yield name, _no_view(world, name)
        else:
            yield name, Sidecar(mesh, shared[work.mesh], work, roots, minor, world.place.trust_domain)


def _east_west(world: World, shared: Mapping[str, Shared]) -> Iterator[tuple[str, EastWest | str]]:
    """East-west gateways. Without any mesh there is nothing for one to listen for."""
    for gateway in world.found.gateways:
        seen = world.minors.get(gateway.name)
        minors = {m: _minor(mesh, EAST_WEST, mesh.directory.facts.label, seen) for m, mesh in world.meshes.items()}
        served = [Served(m, world.meshes[m], shared[m], minor) for m, minor in sorted(minors.items()) if minor]
        yield gateway.name, EastWest(tuple(served), gateway, world.place) if served else _no_view(world, gateway.name)


def _minor(mesh: Mesh, role: str, name: str, seen: str | None) -> str | None:
    """The Envoy minor to serve: the one that the proxy was seen to run, else the newest. None if that has no view.

    A view is pre-flighted on its own minor only (design-notes 18), so no other Envoy is given it.
    """
    prefix = f"{role}/{name}@"
    minors = [view.removeprefix(prefix) for view in mesh.versions if view.startswith(prefix)]
    if seen:
        return seen if seen in minors else None
    return max(minors, key=lambda minor: [int(part) for part in minor.split(".")], default=None)


def _no_view(world: World, proxy: str) -> str:
    seen = world.minors.get(proxy)
    return f"no mesh here has a view for Envoy {seen}" if seen else "no mesh here has a view for it"
