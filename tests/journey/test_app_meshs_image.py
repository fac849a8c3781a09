"""A customer of App Mesh comes over: boto3 as it was, an Envoy as AWS's image makes it, and an agent; nothing else."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from time import time

import pytest

from isthmus.demo.user import User, live
from tests.contract.agent.imaging import Customer
from tests.contract.envoy.applications import App
from tests.contract.up.whole import Up
from tests.journey.newcomer import B, C, Newcomer, route
from tests.until import until

SECONDS = 30.0


@pytest.fixture
def newcomer() -> Iterator[Newcomer]:
    """Signed in to a control plane of his own, with two applications that can be called."""
    root = Path(mkdtemp(prefix="isthmus-"))
    up = Up(root, ("us-east-1",))
    with ExitStack() as over:
        over.callback(shutil.rmtree, root)
        over.callback(lambda: up.end(signal.SIGINT))
        said = up.start()
        user = User(said["api"], said["token"])
        over.callback(user.close)
        made = Newcomer(said["api"], said["aws"], user, root, Customer(root))
        over.callback(made.appmesh.close)
        for name, address in (("b", B), ("c", C)):
            over.callback(App(name, address, made.port).stop)
        yield made


def test_he_goes_on_as_before(newcomer: Newcomer) -> None:
    arn = newcomer.mesh()
    is_live = live(newcomer.user, "m", 1)
    with newcomer.agent():
        newcomer.attach()
        with newcomer.envoy(arn):
            until(lambda: newcomer.answers() == "b", SECONDS)
            assert (until(is_live, SECONDS) or {})["proxies"]["acked"] == 1
            with newcomer.asking() as answers:
                newcomer.appmesh.update_route(**route("c"))
                until(lambda: answers[-1:] == ["c"], SECONDS)
                until(is_live, SECONDS)
            assert set(answers) == {"b", "c"}, "no request fails while one node takes another's place"
            switch_off(newcomer)
            second = int(time())  # one of the second in which the first was signed would have the same signature
            until(lambda: int(time()) > second)
            with newcomer.envoy(arn) as refused:
                until(
                    lambda: "StreamAggregatedResources gRPC config stream to xds closed: 16," in refused.log.read_text()
                )
            assert newcomer.answers() == "c", "who is there already stays"


def switch_off(newcomer: Newcomer) -> None:
    """His access key."""
    answer = newcomer.user.ask("PATCH", f"/access-keys/{newcomer.aws['access_key_id']}", {"status": "inactive"})
    assert answer.json()["status"] == "inactive", answer.text
