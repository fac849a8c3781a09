"""redirecting: a host of App Mesh's image in a network of its own, with rules like the image's; run by `redirected`.

Everything is in one network namespace: the Envoy, an ADS server, what it calls, and whoever calls. The rules redirect
what comes from one address, `CALLER`; the image's own leave out what comes from Envoy's user. Prints what happened as
JSON, by what was done.
"""

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from isthmus.model.definition import Definition
from isthmus.xds.aws_image import Capture, compose_node
from isthmus.xds.compile import compile_mesh, offline_vips
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, Topology, endpoints
from isthmus.xds.snapshot import AGENT_VIEW
from tests import build
from tests.contract.envoy.ads import Ads
from tests.contract.envoy.applications import App, TcpApp
from tests.contract.envoy.asking import received
from tests.contract.envoy.feeding import Running, bootstrap
from tests.golden.cases import resources, surroundings
from tests.until import until

CALLER, DB, WEB, OUTSIDE, ZOO = (f"10.77.0.{n}" for n in range(1, 6))
VIPS = "10.78.0.0/16"
TCP, HTTP, OTHER, TLS = 5432, 8080, 3306, 443
CAPTURE = Capture("0.0.0.0", 15000, 15001)  # noqa: S104 - as the image has it, in a network where nobody else is
PATIENCE = 2.0


def main() -> None:
    """Every case under both settings, on the Envoy that is named, or ours."""
    _network()
    envoy = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    apps: list[TcpApp | App] = [
        TcpApp("db", DB, TCP),
        TcpApp("zoo", ZOO, TCP),
        TcpApp("outside", OUTSIDE, TCP),
        TcpApp("outside", OUTSIDE, OTHER),
    ]
    apps += [App("web", WEB, HTTP), *(App("outside", OUTSIDE, port) for port in (80, HTTP, 9999))]
    heard: list[bytes] = []
    _listen(OUTSIDE, TLS, heard)
    said = {}
    for egress in ("DROP_ALL", "ALLOW_ALL"):
        with _running(egress, envoy) as refused:
            said[egress] = {name: case() for name, case in _cases(heard).items()} | {"refused": refused}
    print(json.dumps(said))  # noqa: T201 - its output
    for app in apps:
        app.stop()


def definition(egress: str) -> Definition:
    """`front` calls `db.local` and `zoo.local` over TCP of one port and `web.local` over HTTP."""
    return build.mesh(
        build.node("front", port=9000, backends=["db.local", "web.local", "zoo.local"]),
        build.node("db", ports={TCP: "tcp"}),
        build.node("zoo", ports={TCP: "tcp"}),
        build.service("zoo.local", node="zoo"),
        build.node("web", ports={HTTP: "http"}),
        build.service("db.local", node="db"),
        build.service("web.local", node="web"),
        targets={"web": 100},
        clusters=("east",),
        spec={"egressFilter": {"type": egress}},
        settings={"vips": VIPS},
    )


def _cases(heard: list[bytes]) -> Mapping[str, Callable[[], str]]:
    vips = offline_vips(definition("DROP_ALL"))
    return {
        "a TCP port of a backend, wherever it was for": partial(_greeted, OUTSIDE, TCP),
        "a TCP service at its own address": partial(_greeted, vips["db.local"], TCP),
        "another of the same port at its own": partial(_greeted, vips["zoo.local"], TCP),
        "a backend by its host, at its own address": partial(_asked, vips["web.local"], HTTP, "web.local"),
        "another port, where a server speaks first": partial(_greeted, OUTSIDE, OTHER),
        "a backend by its host": partial(_asked, OUTSIDE, HTTP, "web.local"),
        "another host at a port of a backend": partial(_asked, OUTSIDE, HTTP, "outside.example"),
        "another host at port 80": partial(_asked, OUTSIDE, 80, "outside.example"),
        "another host at another port": partial(_asked, OUTSIDE, 9999, "outside.example"),
        "AWS at 443": partial(_secured, "sqs.us-east-1.amazonaws.com", heard),
        "another name at 443": partial(_secured, "outside.example", heard),
    }


def _greeted(address: str, port: int) -> str:
    """Who greets; nobody where something waits for a request instead."""
    with _connected(address, port) as connection, suppress(TimeoutError):
        return received(connection).decode().strip()
    return ""


def _asked(address: str, port: int, host: str) -> str:
    with _connected(address, port) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while more := received(connection):
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head:
        return ""
    status = head.split()[1].decode()
    return json.loads(body)["app"] if status == "200" else status


def _secured(name: str, heard: list[bytes]) -> str:
    """Whether a TLS greeting arrives: nobody answers it."""
    heard.clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with _connected(OUTSIDE, TLS) as raw, suppress(OSError):
        context.wrap_socket(raw, server_hostname=name)
    return "outside" if any(name.encode() in greeting for greeting in heard) else ""


@contextmanager
def _connected(address: str, port: int) -> Iterator[socket.socket]:
    with socket.create_connection((address, port), timeout=PATIENCE, source_address=(CALLER, 0)) as connection:
        yield connection


def _listen(address: str, port: int, heard: list[bytes]) -> None:
    """Keeps what comes first on each connection, and closes it."""
    server = socket.create_server((address, port))

    def run() -> None:
        while True:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(65536))

    threading.Thread(target=run, daemon=True).start()


def _network() -> None:
    run = partial(subprocess.run, check=True, capture_output=True)
    run(["ip", "link", "set", "lo", "up"])
    for address in (CALLER, DB, WEB, OUTSIDE, ZOO):
        run(["ip", "address", "add", f"{address}/32", "dev", "lo"])
    run(["ip", "route", "add", VIPS, "dev", "lo"])  # as a host has some route to everywhere
    rule = ["-p", "tcp", "-s", CALLER, "-j", "REDIRECT", "--to-ports", str(CAPTURE.outbound)]
    run(["iptables", "-t", "nat", "-A", "OUTPUT", *rule])


@contextmanager
def _running(egress: str, envoy: Path | None) -> Iterator[list[str]]:
    ads = Ads()
    snapshot = compile_mesh(definition(egress), surroundings(), "east").snapshot
    directory = Directory.read(resources(snapshot, AGENT_VIEW))
    assert directory is not None
    local = [LocalInstance("db", "db", DB), LocalInstance("web", "web", WEB), LocalInstance("zoo", "zoo", ZOO)]
    known = endpoints(directory, Topology(local), Here("east", UUID(int=0), "us-east-1", "east"))
    view = list(resources(snapshot, "node/front@1.40"))
    ads.give("front", [each.resource for each in compose_node(view, known, CAPTURE)])
    proxy = Running(lambda admin: _bootstrap(ads, admin), envoy=envoy)
    try:
        until(lambda: ads.acked("front"), 20)
        yield ads.refused
    finally:
        proxy.stop()
        ads.stop()


def _bootstrap(ads: Ads, admin: Path) -> Mapping[str, Any]:
    """Without the internal listeners that the image does not have."""
    return {k: v for k, v in bootstrap("front", ads.port, admin).items() if k != "bootstrap_extensions"}


if __name__ == "__main__":
    main()
