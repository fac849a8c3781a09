"""proxyless: the instances whose applications call by gRPC's own xDS client, as one more sort of proxy of their hosts.

Such an application has the view of its node, whichever Envoy minor is newest: what it gets is made from that
(`isthmus.xds.proxyless`). What of a definition gRPC cannot do is said here once, when it changes.
"""

from collections.abc import Iterator, Mapping

from gateway.agent.inventory import Inventory
from gateway.agent.minors import newest, no_view
from gateway.agent.plans import NODE, Plan, Proxyless, Shared
from gateway.agent.world import World
from isthmus.xds.snapshot import Resource


def proxyless(
    world: World, inventory: Inventory, shared: Mapping[str, Shared], roots: Resource | None
) -> Iterator[tuple[str, Proxyless | str]]:
    """Recipes by instance, or why there is none."""
    for work in inventory.workloads:
        if not work.instance.grpc:
            continue
        name, mesh = work.instance.name, world.meshes[work.mesh]
        minor = newest(mesh, work.role, work.of)
        if work.role != NODE:
            yield name, "a virtual gateway is an Envoy, and gRPC's own client is none"
        elif roots is None or not world.place.trust_domain:
            yield name, "no trust bundle is known yet"
        elif minor is None:
            yield name, no_view(None)
        else:
            yield name, Proxyless(mesh, shared[work.mesh], work, roots, minor, world.place.trust_domain)


def lacking(plans: Mapping[str, Plan], before: Mapping[str, Plan]) -> Iterator[Plan]:
    """The plans of which something new is to be said."""
    for name, plan in plans.items():
        was = before.get(name)
        if plan.lacks and (was is None or was.lacks != plan.lacks):
            yield plan
