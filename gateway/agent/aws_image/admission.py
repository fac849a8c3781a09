"""admission: which proxy an Envoy of App Mesh's image is, and whether it may be.

Its account must be the mesh's, its node must be placed in this cluster, and may not be strict. Where it
stands is the address that its stream comes from: the instance that is listed there and bound to the same node, whose
name it then has. An Envoy that nobody has listed is served under a name of its own, but nobody is sent to it.
"""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote

from gateway.agent.aws_image.identity import Claimed
from gateway.agent.discovery import Instance
from gateway.agent.images import STRICT, absent, speakable
from gateway.agent.inventory import Workload
from gateway.agent.offers import Mesh
from gateway.agent.plans import NODE
from gateway.agent.proxied import Proxied
from gateway.agent.world import World
from isthmus.errors import Conflict, Denied, NotFound, Unavailable
from isthmus.xds.directory import Facts


def admit(claimed: Claimed, account: str, address: str, world: World, listed: Iterable[Workload]) -> Workload:
    """The workload; NotFound, Denied (another account's mesh), Conflict (not as it is set up now) or Unavailable.

    `listed`: what discovery found and bindings name. `address`: the stream's source.
    """
    mesh = _mesh(claimed, account, world)
    why = absent(mesh.directory, claimed.role, claimed.of)
    if why:
        raise NotFound(why)
    if not speakable(mesh.directory, claimed.role, claimed.of):
        raise Conflict(STRICT)
    who = (mesh.position.mesh, claimed.role, claimed.of)
    for work in listed:
        if work[1:] == who and work.instance.address == address:
            return _unproxied(work, world.proxied)
    return Workload(Instance(_name(claimed, address, who, world), "", address), *who)


def _mesh(claimed: Claimed, account: str, world: World) -> Mesh:
    named = [mesh for mesh in world.meshes.values() if mesh.directory.facts.name == claimed.mesh]
    if not named:
        raise NotFound(f"there is no mesh {claimed.mesh} in this cluster")
    own = [mesh for mesh in named if mesh.directory.facts.account == account]
    if not own and any(not mesh.directory.facts.account for mesh in named):
        raise Unavailable(f"whose mesh {claimed.mesh} is will be known with its next revision")
    if not own:
        raise Denied(f"mesh {claimed.mesh} is not account {account}'s")
    fitting = [mesh for mesh in own if _fits(claimed, account, mesh.directory.facts)]
    if not fitting:
        facts = own[0].directory.facts
        raise NotFound(f"mesh {claimed.mesh} is account {facts.account}'s in {facts.region}, not what the name says")
    return fitting[0]


def _fits(claimed: Claimed, account: str, facts: Facts) -> bool:
    """What a short name leaves out fits; App Mesh says the region only in an ARN."""
    said = (claimed.region or facts.region, claimed.account or account, claimed.owner or facts.account)
    return said == (facts.region, account, facts.account)


def _unproxied(work: Workload, proxied: Proxied) -> Workload:
    """A node's instance with a proxy's ports is announced with mutual TLS, which this Envoy could not keep.

    So is one that once had such a proxy, as long as it is the same instance.
    """
    if work.role == NODE and work.instance.proxied:
        name = work.instance.name
        raise Conflict(f"instance {name} is listed with the ports of a warden's proxy: list it without ports")
    if work.role == NODE and work.instance.name in proxied:
        name = work.instance.name
        raise Conflict(f"instance {name} had a warden's proxy: take it off the list, or list it under another name")
    return work


def _name(claimed: Claimed, address: str, who: tuple[str, str, str], world: World) -> str:
    """No instance has an `@` in its name. The longer name is for one address with several nodes of one name."""
    name = f"{claimed.of}@{address}"
    taken = world.images.get(name)
    return name if taken is None or taken[1:] == who else f"{claimed.mesh}/{claimed.role}/{name}"


def address_of(peer: str) -> str:
    """The IP address in what gRPC says of a peer: `ipv4:10.0.0.1:4711`, `ipv6:%5B::1%5D:4711`. ValueError if none."""
    host = unquote(peer.partition(":")[2]).rpartition(":")[0].strip("[]")
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
