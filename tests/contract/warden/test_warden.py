"""A warden and a real Envoy: what is served, proven, refused and kept."""

import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from google.protobuf.json_format import ParseDict

from gateway.proto import host_pb2 as host
from gateway.warden.warden import Warden
from isthmus.errors import Invalid
from isthmus.ir.mesh import Service, TcpPort
from isthmus.xds import dns, slots, tcp, vips
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.unbindable import is_unbindable

DEADLINE = 15.0
TYPES = "type.googleapis.com/"
HCM = TYPES + http_connection_manager_pb2.HttpConnectionManager.DESCRIPTOR.full_name
ROUTER = TYPES + router_pb2.Router.DESCRIPTOR.full_name


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def answering(port: int, word: str, *, match: str = "/") -> Resource:
    """A listener that answers with a word; `match` may be a regex that Envoy refuses."""
    matching = {"prefix": "/"} if match == "/" else {"safe_regex": {"regex": match}}
    route = {"match": matching, "direct_response": {"status": 200, "body": {"inline_string": word}}}
    hosts = {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}
    router = {"name": "router", "typed_config": {"@type": ROUTER}}
    manager = {"@type": HCM, "stat_prefix": "l", "route_config": hosts, "http_filters": [router]}
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    message = ParseDict(listener, listener_pb2.Listener())
    return Resource(Type.LISTENER, "l", message.SerializeToString(deterministic=True))


def states(*resources: Resource, definition: str, minor: str = "1.40") -> host.ProxyStates:
    """One proxy `p` without an identity, which is to have these resources."""
    refs = [host.ResourceRef(type=r.type, name=r.name, version=r.ref.version, proven=True) for r in resources]
    state = host.ProxyState(proxy="p", definition=definition, refs=refs, minor=minor, role="east-west")
    bodies = [host.ResourceBody(version=r.ref.version, type=r.type, name=r.name, body=r.body) for r in resources]
    return host.ProxyStates(proxies=[state], bodies=bodies)


def raw_service(name: str, address: str, port: int) -> list[Resource]:
    """A TCP port of a service at an address, which leads nowhere."""
    listener = vips.for_connections(name, address, port)
    return [listener, *slots.inert(listener.name, slots.Layer.TCP), tcp.led(name, TcpPort(port, None, ()))]


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path that is gone after the test."""
    made = Path(tempfile.mkdtemp(prefix="isthmus-"))
    yield made
    shutil.rmtree(made)


@asynccontextmanager
async def warden_of(home: Path) -> AsyncIterator[Warden]:
    """A warden on `home`, serving what it kept."""
    made = Warden(home / "data", home / "sockets")
    await made.begin()
    try:
        yield made
    finally:
        await made.end()


@asynccontextmanager
async def envoy(home: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A real Envoy, as `isthmus proxy` starts it."""
    command = [sys.executable, "-m", "isthmus.cli.main", "proxy", "--warden-dir", str(home / "sockets"), "--name", "p"]
    command += ["--admin", f"127.0.0.1:{free_port()}", "--concurrency", "1"]
    process = await anyio.to_thread.run_sync(lambda: subprocess.Popen(command))
    try:
        yield process
    finally:
        process.terminate()
        await anyio.to_thread.run_sync(lambda: process.wait(10))


async def until(condition: object, what: str) -> None:
    """Wait for a condition with a deadline."""
    assert callable(condition)
    with anyio.move_on_after(DEADLINE):
        while not await anyio.to_thread.run_sync(condition):
            await anyio.lowlevel.checkpoint()
        return
    raise AssertionError(f"not within {DEADLINE} s: {what}")


def says(port: int, word: str) -> bool:
    """Whether Envoy answers with the word."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
            return bool(answer.read().decode() == word)
    except OSError:
        return False


def report(warden: Warden) -> host.ProxyReport:
    """What the warden says of its proxy."""
    return warden.reports(everything=True)[0]


async def test_a_definition_is_served_and_proven_and_so_is_the_next(home: Path) -> None:
    port = free_port()
    async with warden_of(home) as warden, envoy(home) as process:
        await warden.take(states(answering(port, "one"), definition="d1"))
        await until(lambda: report(warden).acked == "d1", "the first is acked")
        await until(lambda: says(port, "one"), "the first is served")
        await warden.take(states(answering(port, "two"), definition="d2"))
        await until(lambda: report(warden).acked == "d2" and says(port, "two"), "the second is acked and served")
        said = report(warden)
        assert (said.connected, said.envoy[:4], said.pid) == (True, "1.40", process.pid)
        assert stat.S_IMODE((home / "sockets" / "p" / "xds.sock").stat().st_mode) == 0o600


async def test_a_refusal_is_told_in_envoys_words_and_what_worked_goes_on(home: Path) -> None:
    port = free_port()
    async with warden_of(home) as warden, envoy(home):
        await warden.take(states(answering(port, "one"), definition="d1"))
        await until(lambda: report(warden).acked == "d1" and says(port, "one"), "the first is acked and served")
        await warden.take(states(answering(port, "bad", match="[a-"), definition="d2"))
        await until(lambda: report(warden).nacks, "it is refused")
        (nack,) = report(warden).nacks
        assert (nack.type, nack.name) == ("lds", "l")
        assert "missing ]" in nack.message
        assert report(warden).acked == "d1"
        assert says(port, "one")
        await warden.take(states(answering(port, "three"), definition="d3"))
        await until(lambda: report(warden).acked == "d3" and not report(warden).nacks, "a mended one is taken")


async def test_what_a_host_does_not_let_its_proxy_bind_is_told_and_stops_nothing(home: Path) -> None:
    """Of three services' ports one is taken, and so is the port for names."""
    port, busy, address = free_port(), free_port(), "127.150.0.1"
    names = dns.listener([Service("s.local", addresses=(address,))])
    with socket.create_server((address, busy)), socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind((address, 0))
        resources = [
            answering(port, "one"),
            *raw_service("taken", address, busy),
            *raw_service("free", address, port),
            dns.localised(names, address, datagrams.getsockname()[1]),
        ]
        async with warden_of(home) as warden, envoy(home):
            await warden.take(states(*resources, definition="d1"))
            await until(lambda: report(warden).acked == "d1", "what can be had counts as all of it")
            refused = {nack.name: nack.message for nack in report(warden).nacks}
            assert refused.keys() == {f"outbound/vip/taken/{busy}", "dns"}, refused
            assert all(is_unbindable("lds", name, message) for name, message in refused.items()), refused
            assert says(port, "one")
            with socket.create_connection((address, port), timeout=5) as connection:
                assert connection.recv(1) == b"", "it is taken, and leads nowhere"
            await warden.take(states(*resources[1:], answering(port, "two"), definition="d2"))
            await until(lambda: report(warden).acked == "d2" and says(port, "two"), "and the next revision")


async def test_a_restarted_warden_serves_a_restarted_envoy_from_disk(home: Path) -> None:
    port = free_port()
    async with warden_of(home) as warden:
        await warden.take(states(answering(port, "kept"), definition="d1"))
    async with warden_of(home) as warden, envoy(home):
        await until(lambda: says(port, "kept"), "it is served with no agent anywhere")
        await until(lambda: report(warden).acked == "d1", "and proven")


async def test_an_envoy_of_another_minor_is_refused(home: Path) -> None:
    port = free_port()
    async with warden_of(home) as warden, envoy(home):
        await warden.take(states(answering(port, "one"), definition="d1", minor="1.34"))
        await until(lambda: report(warden).envoy.startswith("1.40") or not report(warden).connected, "it has come")
        assert not says(port, "one")
        assert report(warden).acked == ""


async def test_an_altered_or_missing_body_is_refused_and_nothing_changes(home: Path) -> None:
    port = free_port()
    async with warden_of(home) as warden:
        await warden.take(states(answering(port, "one"), definition="d1"))
        altered = states(answering(port, "two"), definition="d2")
        altered.bodies[0].body += b"\0"
        missing = states(answering(port, "two"), definition="d2")
        del missing.bodies[:]
        outside = states(answering(port, "two"), definition="d2")
        outside.proxies[0].proxy = "../p"
        for wrong in (altered, missing, outside):
            with pytest.raises(Invalid):
                await warden.take(wrong)
            assert warden.kept.states["p"].definition == "d1"
