"""smoke"""
from tests.contract.agent.rig import *

async def test_smoke(joined: Joined, caplog) -> None:
    import logging
    caplog.set_level(logging.INFO)
    joined.agent.list(FRONT, BLUE, gateways=(GATEWAY,))
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            state = await stream.proxy("front")
            print(state.definition, stream.names("front", "cds"), stream.proxies.keys())
            leaf = await stream.leaf("front")
            assert not leaf.refused
            for s in stream.proxies.values():
                await stream.ack(s)
            await until(lambda: joined.acks("node/front@1.40") and joined.acks("node/front@1.40").acked == 1, "acked")
            await until(lambda: joined.said("summary") and joined.said("summary")[-1].nodes, "summary")
            print(joined.said("summary"))
