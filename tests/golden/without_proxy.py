"""without_proxy: what gRPC's own client of a node gets, for golden cases.

It is as if the nodes that it calls had instances: in east each has one with a proxy, one without and one that is not
well; in west two, behind the gateway 192.0.2.1:15443.
"""

from collections.abc import Iterator
from uuid import UUID

from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, RemoteCluster, RemoteNode, RemoteSlot, Topology, endpoints
from isthmus.xds.proxyless import Told, compose
from isthmus.xds.secrets import bundle
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, view_id

EAST = Here("east", UUID(int=1), "us-east-1", "east")


def told(snapshot: Snapshot, node: str) -> Told:
    """Everything, and what is lost."""
    directory = Directory.read(_view(snapshot, AGENT_VIEW))
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
    found = endpoints(directory, Topology(local, [west]), EAST)
    return compose(_view(snapshot, view_id("node", node, "1.40")), found, bundle({"east": [b"a root\n"]}))


def _view(snapshot: Snapshot, view: str) -> Iterator[Resource]:
    return (snapshot.resources[ref.version] for ref in snapshot.manifest.refs(view))
