"""remembering: what is to be known for ever is on disk before anybody is told anything that follows from it.

The other way round an agent that is killed in between would come back and call in plaintext what it had called in
mutual TLS. The disk is written in a thread; what comes meanwhile waits for the next time.
"""

from gateway.agent.cluster import Cluster
from gateway.agent.finishing import finished
from gateway.agent.state import State


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
                cluster.remembered(now)
            await changed.wait()
