"""without_proxy: what gRPC's own client of a node gets, for golden cases.

It is as if the nodes that it calls had instances: in east each has one with a proxy, one without and one that is not
well; in west two, behind the gateway 192.0.2.1:15443.
"""

from collections.abc import Mapping
from uuid import UUID

from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, RemoteCluster, RemoteNode, RemoteSlot, Topology, endpoints
from isthmus.xds.proxyless import Told, compose
from isthmus.xds.secrets import bundle
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, view_id

EAST = Here("east", UUID(int=1), "us-east-1", "east")


def told(snapshot: Snapshot, node: str) -> Told:
    """Everything, and what is lost."""
    return compose(view(snapshot, node), found(snapshot), bundle({"east": [b"a root\n"]}))


def view(snapshot: Snapshot, node: str) -> list[Resource]:
    """What is said of a node."""
    return _resources(snapshot, view_id("node", node, "1.40"))


def found(snapshot: Snapshot) -> Mapping[str, Resource]:
    """The endpoints of all that is called in east."""
    directory = Directory.read(_resources(snapshot, AGENT_VIEW))
    assert directory is not None, "the mesh takes in this cluster"
    local, remote = [], {}
    for name in sorted({backend.node for backend in directory.backends.values()}):
        ports = {b.port: 15_000 + b.port % 1000 for b in directory.backends.values() if b.node == name}
        local += [
            LocalInstance(f"{name}-1", name, "10.0.0.1", ports),
            LocalInstance(f"{name}-2", name, "10.0.0.2"),
            LocalInstance(f"{name}-3", name, "10.0.0.3", ports, health="unhealthy"),
        ]
        slots = (RemoteSlot("slotone", "a", ports=tuple(ports)), RemoteSlot("slottwo", "b", ports=tuple(ports)))
        remote[name] = RemoteNode(slots, len(slots))
    west = RemoteCluster("west", "eu-west-1", "west", gateways=("192.0.2.1:15443",), nodes=remote)
    return endpoints(directory, Topology(local, [west]), EAST)


def _resources(snapshot: Snapshot, of: str) -> list[Resource]:
    return [snapshot.resources[ref.version] for ref in snapshot.manifest.refs(of)]
