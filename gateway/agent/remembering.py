"""remembering: what is to be known for ever is on disk before anybody is told anything that follows from it.

The other way round an agent that is killed in between would come back and call in plaintext what it had called in
mutual TLS. The disk is written in a thread; what comes meanwhile waits for the next time.
"""

import asyncio

from gateway.agent.cluster import Cluster
from gateway.agent.finishing import finished
from gateway.agent.state import State

OVERLAP_SECONDS = 1.0
"""How long who asks before it calls may go on in plaintext: Envoy asks a new endpoint within 11 ms (decisions/010)."""


async def remember(cluster: Cluster, state: State) -> None:
    """Keep, then believe, before which instances a proxy was seen, until cancelled."""
    kept = cluster.world.proxied
    with cluster.listening() as changed:
        while True:
            changed.clear()
            now = cluster.settled.proxied
            if now != kept:
                await finished(state.proxied, now)
                kept = now
                arriving = cluster.remembered(now)
                asyncio.get_running_loop().call_later(OVERLAP_SECONDS, cluster.settled_in, arriving)
            await changed.wait()
