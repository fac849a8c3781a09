"""An Envoy that nobody has news for goes on asking whether its warden is there, and must not be cut off for it."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from gateway.proto import host_pb2 as host
from gateway.warden.warden import Warden
from tests.contract.warden.quiet_client import CutOff, calling

DELTA_ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
FORGIVEN = 3
"""The first ping is no offence, and gRPC forgives two more (`grpc.http2.max_ping_strikes`)."""
ENOUGH = 5.2
"""Seconds, a little more than our servers want between pings; an Envoy leaves 30, gRPC's own minimum is 300."""


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path that is gone after the test."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def served(home: Path) -> AsyncIterator[Path]:
    """The socket of a proxy for which there is nothing."""
    warden = Warden(home / "data", home / "sockets")
    await warden.begin()
    await warden.take(host.ProxyStates(proxies=[host.ProxyState(proxy="p", definition="d")]))
    yield home / "sockets" / "p" / "xds.sock"
    await warden.end()


@pytest.mark.parametrize("between", [0.0, ENOUGH], ids=["at once", "as often as we allow"])
async def test_only_who_pings_too_often_is_cut_off(served: Path, between: float) -> None:
    with anyio.fail_after(30):
        async with calling(served, DELTA_ADS) as envoy:
            for _ in range(FORGIVEN):
                await envoy.ping()
            await anyio.sleep(between)
            if between:
                await envoy.ping()
            else:
                with pytest.raises(CutOff):
                    await envoy.ping()
            assert not envoy.heard, "the stream was to be quiet: what is sent on it makes pings no offence"
