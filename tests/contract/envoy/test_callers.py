"""An application may speak HTTP/1.1 or HTTP/2 to its proxy, whatever the other end speaks."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import build
from tests.contract.envoy.asking import ask, free_port, listens
from tests.contract.envoy.feeding import Running
from tests.contract.envoy.h2 import translator
from tests.contract.envoy.scenes import scene
from tests.contract.envoy.stage import DOOR, OUTBOUND, Stage
from tests.until import until

CALLER = ("127.0.0.1", free_port())


@pytest.fixture(params=["HTTP1", "HTTP2"], ids=["asked over HTTP/1.1", "asked over HTTP/2"])
def speaks(request: pytest.FixtureRequest) -> str:
    protocol: str = request.param
    return protocol


@contextmanager
def speaking(speaks: str, to: tuple[str, int]) -> Iterator[Running]:
    """An application that speaks a protocol, by a translator at `CALLER`."""
    translates = translator(CALLER, to, listens="HTTP1", speaks=speaks)
    try:
        until(lambda: listens(*CALLER))
        yield translates
    finally:
        translates.stop()


@pytest.mark.parametrize("protocol", ["http", "http2"])
@pytest.mark.parametrize("gateway", [False, True], ids=["its proxy", "a gateway"])
def test_a_proxy_hears_both(stage: Stage, where: str, protocol: str, speaks: str, gateway: bool) -> None:  # noqa: FBT001
    rest = build.gateway_route(protocol=protocol)
    stage.apply(scene(where, build.service(node="blue"), rest, protocol=protocol))
    to = (stage.addresses["ingress"], DOOR) if gateway else (stage.addresses["front"], OUTBOUND)
    with speaking(speaks, to) as translates:
        assert ask(*CALLER, build.SERVICE).by == f"blue-{where}"
        spoken = translates.stats("upstream_cx_http.*_total")
    other = {"HTTP1": "HTTP2", "HTTP2": "HTTP1"}[speaks]
    counted = [spoken.get(f"cluster.to.upstream_cx_{name.lower()}_total", 0) for name in (speaks, other)]
    assert counted == [1, 0]
