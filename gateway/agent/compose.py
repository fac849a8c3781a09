"""compose: who of this cluster gets which view, in which version, under which identity, from all that the agent knows.

Pure, and given what was composed before: a proxy whose inputs are the very same keeps its plan, so an endpoint that
moves costs the proxies of its mesh and no others. What an Envoy is told is decided in `isthmus.xds`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

from gateway.agent.bare import bare
from gateway.agent.images import images, plain
from gateway.agent.inventory import Inventory, Workload, take
from gateway.agent.minors import minor_of, no_view
from gateway.agent.offers import Mesh
from gateway.agent.own_hosts import own_hosts
from gateway.agent.peers import remote
from gateway.agent.plans import EAST_WEST, GATEWAY, NODE, EastWest, Plain, Plan, Recipe, Served, Shared, Sidecar, local
from gateway.agent.proxied import ports
from gateway.agent.proxyless import proxyless
from gateway.agent.unbound import resolved, unbound
from gateway.agent.world import World
from isthmus.ir.found import Discovery
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import LocalInstance, Topology, endpoints
from isthmus.xds.own_host import OwnHost
from isthmus.xds.secrets import bundle
from isthmus.xds.snapshot import Resource, view_id


class Names(NamedTuple):
    """The service discovery of every node that is called, and that of those without instances, which is asked."""

    discovered: frozenset[Discovery] = frozenset()
    asked: frozenset[Discovery] = frozenset()


NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class Composition:
    """Everything composed. `plans` by proxy, `shared` by mesh; `left_out`: instance or gateway → why (of a part, too).

    `waiting`: proxy → what of it waits for managed certificates. `roots`: what trust it was made from, and the secret.
    `images`: those of the world that it was made from.
    """

    inventory: Inventory = field(default_factory=Inventory)
    plans: Mapping[str, Plan] = field(default_factory=dict)
    shared: Mapping[str, Shared] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[Mapping[str, tuple[bytes, ...]], Resource | None] = field(default=({}, None))
    images: Mapping[str, Workload] = field(default_factory=dict)
    plain: Mapping[str, Plain] = field(default_factory=dict)
    names: Names = NO_NAMES
    waiting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NOTHING = Composition()


def compose(world: World, before: Composition = NOTHING) -> Composition:
    """What follows from `world`, keeping what of `before` still holds."""
    inventory = take({mesh: m.directory for mesh, m in world.meshes.items()}, world.found.instances)
    shared = {mesh: _shared(mesh, inventory, world, before.shared.get(mesh)) for mesh in world.meshes}
    roots = before.roots if before.roots[0] is world.trust else (world.trust, _roots(world))
    plainly = plain(world, shared, before.plain)
    owning = own_hosts(inventory.workloads, world.without_six)
    recipes: dict[str, Recipe | str] = dict(_sidecars(world, inventory, shared, roots[1], owning))
    recipes |= dict(_east_west(world, shared)) | dict(images(world, plainly))
    recipes |= dict(proxyless(world, inventory, shared, roots[1]))
    refused = {name: why for name, why in (*owning.items(), *recipes.items()) if isinstance(why, str)}
    left_out = {**inventory.left_out, **refused}
    plans = {n: _kept(before.plans.get(n), recipe) for n, recipe in recipes.items() if not isinstance(recipe, str)}
    names = before.names if shared == before.shared else _names(shared)
    waiting = {name: plan.withheld for name, plan in plans.items() if plan.withheld}
    return Composition(inventory, plans, shared, left_out, roots, world.images, plainly, names, waiting)


def _kept(before: Plan | None, recipe: Recipe) -> Plan:
    return before if before and before.recipe == recipe else recipe.plan()


def _roots(world: World) -> Resource | None:
    return bundle(world.trust) if world.trust else None


def _shared(mesh: str, inventory: Inventory, world: World, before: Shared | None) -> Shared:
    directory, imports = world.meshes[mesh].directory, world.imports.get(mesh)
    instances = tuple(_reached(w, directory, world) for w in inventory.of(mesh, NODE))
    same = before and before.directory is directory and before.imports is imports and before.local == instances
    asked = before.unbound if before and same else unbound(directory, instances, imports)
    found_by_name = resolved(asked, world.resolved)
    if before and same and before.resolved == found_by_name:
        return before
    found = endpoints(directory, Topology(instances, remote(imports), found_by_name), world.place.here)
    by_address = sorted(instances, key=lambda each: each.address)
    at = ((address, tuple(each)) for address, each in groupby(by_address, key=lambda each: each.address))
    crowded = {address: several for address, several in at if len(several) > 1}
    called_bare = bare(directory, instances, found)
    return Shared(directory, imports, instances, found, crowded, called_bare, asked, found_by_name)


def _reached(work: Workload, directory: Directory, world: World) -> LocalInstance:
    """A workload as others reach it: through its proxy only where that was seen."""
    seen, name = ports(work.instance, world.proxied, siblings=world.siblings), work.instance.name
    return replace(local(work, directory), ports=seen, arriving=world.arriving.get(name, frozenset()))


def _names(shared: Mapping[str, Shared]) -> Names:
    discovered = (question for each in shared.values() for question in each.directory.discovered.values())
    asked = (question for each in shared.values() for question in each.unbound.values())
    return Names(frozenset(discovered), frozenset(asked))


def _sidecars(
    world: World,
    inventory: Inventory,
    shared: Mapping[str, Shared],
    roots: Resource | None,
    owning: Mapping[str, OwnHost | str],
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
            made, own = _sidecar(world, mesh, shared[work.mesh], work, roots, minor), owning.get(name)
            yield name, replace(made, own_host=own) if isinstance(own, OwnHost) else made


def _sidecar(world: World, mesh: Mesh, shared: Shared, work: Workload, roots: Resource, minor: str) -> Sidecar:
    """With the managed certificates it names, so that another one of them makes another plan, and no other does."""
    wanted = mesh.secrets.get(view_id(work.role, work.of, minor), frozenset())
    posed = world.managed.challenges if work.role == GATEWAY else ()
    domain = world.place.trust_domain
    return Sidecar(mesh, shared, work, roots, minor, domain, world.managed.secrets(wanted), posed)


def _east_west(world: World, shared: Mapping[str, Shared]) -> Iterator[tuple[str, EastWest | str]]:
    """East-west gateways. Without any mesh there is nothing for one to listen for."""
    for gateway in world.found.gateways:
        seen = world.minors.get(gateway.name)
        minors = {m: minor_of(mesh, EAST_WEST, mesh.directory.facts.label, seen) for m, mesh in world.meshes.items()}
        served = [Served(m, world.meshes[m], shared[m], minor) for m, minor in sorted(minors.items()) if minor]
        yield gateway.name, EastWest(tuple(served), gateway, world.place) if served else no_view(seen)
