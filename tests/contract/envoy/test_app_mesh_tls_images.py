"""App Mesh's TLS between two hosts of App Mesh's own image, which have no other: as it is written, on both sides.

Without iptables a connection is for the port that the image's listener has, so that is the node's own here.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.xds.aws_image import Capture, compose_node
from isthmus.xds.compile import compile_mesh
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import LocalInstance, Topology, endpoints
from isthmus.xds.snapshot import AGENT_VIEW, Resource, view_id
from tests import build
from tests.contract.envoy.ads import Ads
from tests.contract.envoy.applications import App
from tests.contract.envoy.asking import Answer, ask, free_port
from tests.contract.envoy.authorities import Authority, put
from tests.contract.envoy.canary import HERE
from tests.contract.envoy.feeding import Envoy
from tests.golden.cases import resources, surroundings
from tests.until import until

Json = Any
OURS, THEIRS = Authority("ours"), Authority("theirs")
ADDRESSES = {"front": "127.89.9.1", "near": "127.89.9.2"}
PORT, OUTBOUND = free_port(), free_port()
OK = 200
NAME, CLIENT = "near.example", "spiffe://ours/front"


class Hosts:
    """Two Envoys and the application of one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ads, self.app = folder, Ads(), App("near", "127.0.0.1", PORT)
        for name, pair in (("server", OURS.issue(NAME)), ("client", OURS.issue(CLIENT))):
            pair.write(folder, name)
        put(folder / "ours.pem", OURS.pem)
        put(folder / "theirs.pem", THEIRS.pem)
        self._envoys: dict[str, Envoy] = {}

    def apply(self, definition: Definition) -> None:
        for name in ADDRESSES:
            self.ads.give(name, self._composed(definition, name))
            if name not in self._envoys:
                self._envoys[name] = Envoy(name, self.ads)
        for name, envoy in self._envoys.items():
            until(partial(self._ready, name, envoy), 30)

    def _ready(self, name: str, envoy: Envoy) -> bool:
        return self.ads.acked(name) and not any(envoy.stats("warming").values())

    def _composed(self, definition: Definition, name: str) -> list[Resource]:
        snapshot = compile_mesh(definition, surroundings(), "east").snapshot
        directory = Directory.read(list(resources(snapshot, AGENT_VIEW)))
        assert directory is not None
        known = endpoints(directory, Topology([LocalInstance("near", "near", ADDRESSES["near"])]), HERE)
        view = list(resources(snapshot, view_id("node", name, "1.40")))
        capture = Capture(ADDRESSES[name], PORT, OUTBOUND)
        return [each.resource for each in compose_node(view, known, capture)]

    def pair(self, name: str) -> Json:
        return {"file": {"certificateChain": f"{self.folder}/{name}.pem", "privateKey": f"{self.folder}/{name}.key"}}

    def trust(self, name: str) -> Json:
        return {"trust": {"file": {"certificateChain": f"{self.folder}/{name}.pem"}}}

    def stop(self) -> None:
        for envoy in self._envoys.values():
            envoy.stop()
        self.app.stop()
        self.ads.stop()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    made = Hosts(tmp_path_factory.mktemp("tls"))
    try:
        yield made
        assert made.ads.refused == []
    finally:
        made.stop()


def definition(hosts: Hosts, mode: str, *, validated: bool, policy: str) -> Definition:
    """`policy`: the authority that `front` trusts, if it has one; it shows its certificate where `near` validates."""
    validation = {"validation": hosts.trust("ours")} if validated else {}
    tls = {"tls": {"mode": mode, "certificate": hosts.pair("server")} | validation} if mode else None
    client = {"certificate": hosts.pair("client")} if validated else {}
    said: Json = {"backendDefaults": {"clientPolicy": {"tls": {"validation": hosts.trust(policy or "ours")} | client}}}
    return build.definition(
        build.attachment(),
        build.node("front", port=None, backends=[build.SERVICE], **(said if policy else {})),
        build.node("near", port=PORT, listener=tls, serviceDiscovery={"dns": {"hostname": NAME}}),
        build.service(node="near"),
    )


@pytest.mark.parametrize(
    ("mode", "validated", "policy", "caller"),
    [
        ("", False, "", "nobody"),
        ("STRICT", False, "", "nobody"),
        ("STRICT", False, "ours", "nobody"),
        ("STRICT", False, "theirs", "503"),
        ("STRICT", True, "ours", f"URI={CLIENT}"),
        ("STRICT", True, "", "503"),
        ("PERMISSIVE", False, "", "nobody"),
        ("PERMISSIVE", False, "ours", "nobody"),
        ("PERMISSIVE", True, "ours", f"URI={CLIENT}"),
        ("", False, "ours", "503"),
    ],
)
def test_between_images(hosts: Hosts, mode: str, validated: bool, policy: str, caller: str) -> None:  # noqa: FBT001
    hosts.apply(definition(hosts, mode, validated=validated, policy=policy))
    answer = ask(ADDRESSES["front"], OUTBOUND, build.SERVICE)
    assert (_caller(answer) if answer.status == OK else str(answer.status)) == caller
    assert taken_in_plaintext() == (mode != "STRICT")


def _caller(answer: Answer) -> str:
    return str(answer.said["headers"].get("x-forwarded-client-cert", "nobody").rpartition(";")[2])


def taken_in_plaintext() -> bool:
    """Whether the server takes a request that is not in TLS."""
    try:
        return ask(ADDRESSES["near"], PORT, "near").status == OK
    except OSError:
        return False
