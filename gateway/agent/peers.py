"""peers: the other clusters of a mesh as the hub tells of them, in the words of `isthmus.xds`."""

from typing import get_args

from gateway.proto import link_pb2 as link
from isthmus.xds.endpoints import Health, RemoteCluster, RemoteNode, RemoteSlot, State


def remote(imports: link.Imports | None) -> tuple[RemoteCluster, ...]:
    """The clusters; words that this version does not know are read as the careful one."""
    return tuple(_cluster(peer) for peer in imports.peers) if imports else ()


def _cluster(peer: link.Peer) -> RemoteCluster:
    return RemoteCluster(
        name=peer.cluster,
        region=peer.region,
        network=peer.network,
        state=_state(peer.state),
        gateways=tuple(peer.gateways),
        nodes={n.node: RemoteNode(tuple(_slot(s) for s in n.slots), n.count) for n in peer.nodes},
    )


def _slot(slot: link.Slot) -> RemoteSlot:
    return RemoteSlot(
        slot=slot.slot,
        zone=slot.zone,
        health=_health(slot.health),
        weight=slot.weight or 1,
        ports=tuple(slot.ports),
        address=slot.address,
    )


def _state(word: str) -> State:
    """Unknown keeps serving: only `dead` withdraws (design §7)."""
    return next((known for known in get_args(State) if known == word), "unknown")


def _health(word: str) -> Health:
    return next((known for known in get_args(Health) if known == word), "unhealthy")
