"""App Mesh's TLS of virtual gateways: to the outside by mode and source, and to the nodes that they lead to."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from isthmus.model.definition import Definition
from isthmus.xds import names
from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.contract.envoy.asking import connected
from tests.contract.envoy.authorities import Authority, Pair, put
from tests.contract.envoy.stage import DOOR, HTTP, Door, Instance, Stage
from tests.contract.envoy.tenants_sds import TenantsSds

Json = Any
OURS, THEIRS = Authority("ours"), Authority("theirs")
ARN = "arn:aws:acm:us-east-1:111122223333:certificate/edge"
HOST, CLIENT = "shop.example", "client.example"
TARGETS = {"near": "east", "far": "west"}
REFUSED = ""


class Scene:
    """A gateway in east that leads to a node in either cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sds = folder, TenantsSds(folder / "sds.sock")
        instances = (Instance(name, cluster=cluster) for name, cluster in TARGETS.items())
        self.stage = Stage(*instances, doors=[Door("ingress")], sds=folder / "sds.sock")
        edge = OURS.issue(HOST)
        edge.write(folder, "edge")
        put(folder / "ca.pem", OURS.pem)
        self.sds.give(edge.secret("edge"), OURS.secret("ca"))
        secret = edge.secret(names.certificate(ARN))
        self.stage.managed[secret.name] = Resource(Type.SECRET, secret.name, secret.SerializeToString())

    def shown(self, source: str) -> Json:
        chain, key = str(self.folder / "edge.pem"), str(self.folder / "edge.key")
        return {
            "file": {"file": {"certificateChain": chain, "privateKey": key}},
            "sds": {"sds": {"secretName": "edge"}},
            "acm": {"acm": {"certificateArn": ARN}},
        }[source]

    def trust(self, source: str = "file") -> Json:
        sds = {"sds": {"secretName": "ca"}}
        return sds if source == "sds" else {"file": {"certificateChain": str(self.folder / "ca.pem")}}

    def definition(
        self, tls: Json, *, at: str = "near", protocol: str = "http", policy: Json = None, server: Json = None
    ) -> Definition:
        """The gateway's port has this TLS. `server`: that of the node."""
        listeners = [{"portMapping": {"port": DOOR, "protocol": protocol}, "tls": tls}]
        defaults = {"backendDefaults": {"clientPolicy": policy}} if policy else {}
        return build.definition(
            *(build.attachment(cluster) for cluster in ("east", "west")),
            *(build.node(n, port=HTTP, listener={"tls": server} if server else None) for n in TARGETS),
            *(build.placement(node, cluster) for node, cluster in TARGETS.items()),
            build.service(node=at),
            build.document("VirtualGateway", "ingress", {"listeners": listeners} | defaults),
            build.gateway_route(protocol=protocol),
        )

    def heard(self, *, shows: Pair | None = None, plaintext: bool = False) -> str:
        """Whom the application took its caller for; empty if the request did not come so far."""
        head = (
            f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nx-forwarded-client-cert: URI=spiffe://forged\r\n"
        )
        try:
            with ExitStack() as held:
                connection = held.enter_context(connected(self.stage.addresses["ingress"], DOOR))
                if not plaintext:
                    secured = self._context(shows).wrap_socket(connection, server_hostname=HOST)
                    connection = held.enter_context(secured)
                connection.sendall(f"{head}\r\n".encode())
                said = b""
                while more := connection.recv(65536):
                    said += more
        except (ssl.SSLError, OSError):
            return REFUSED
        return said.decode() if b" 200 OK" in said.partition(b"\r\n")[0] else REFUSED

    def _context(self, shows: Pair | None = None, *alpn: str) -> ssl.SSLContext:
        """Of a client that checks whom it speaks to."""
        context = ssl.create_default_context(cadata=OURS.pem.decode())
        context.set_alpn_protocols(list(alpn))
        if shows is not None:
            context.load_cert_chain(*shows.write(self.folder, "client"))
        return context

    def negotiated(self, *alpn: str) -> str | None:
        with connected(self.stage.addresses["ingress"], DOOR) as raw:
            connection = self._context(None, *alpn).wrap_socket(raw, server_hostname=HOST)
            with connection:
                return connection.selected_alpn_protocol()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("tls"))
    try:
        yield made
        assert made.stage.ads.refused == []
    finally:
        made.stage.stop()
        made.sds.stop()


@pytest.mark.parametrize("source", ["file", "sds", "acm"])
@pytest.mark.parametrize("at", TARGETS)
def test_a_strict_port_shows_its_certificate_and_takes_nothing_else(scene: Scene, at: str, source: str) -> None:
    scene.stage.apply(scene.definition({"mode": "STRICT", "certificate": scene.shown(source)}, at=at))
    heard = scene.heard()
    gateway = f"URI=spiffe://{scene.stage.domains['east'].name}/mesh/shop/gateway/ingress"
    assert f'"app": "{at}"' in heard
    assert gateway in heard, "the application's caller is the gateway"
    assert "forged" not in heard
    assert scene.heard(plaintext=True) == REFUSED


@pytest.mark.parametrize(("mode", "secured"), [("PERMISSIVE", True), ("DISABLED", False)])
def test_a_permissive_port_takes_plaintext_too_and_a_disabled_one_nothing_else(
    scene: Scene,
    mode: str,
    secured: bool,  # noqa: FBT001
) -> None:
    scene.stage.apply(scene.definition({"mode": mode, "certificate": scene.shown("file")}))
    assert "forged" not in scene.heard(plaintext=True) != REFUSED
    assert bool(scene.heard()) == secured


@pytest.mark.parametrize("source", ["file", "sds"])
@pytest.mark.parametrize("mode", ["STRICT", "PERMISSIVE"])
def test_a_port_that_validates_lets_in_whoever_has_the_certificate(scene: Scene, mode: str, source: str) -> None:
    named = {"match": {"exact": [CLIENT]}}
    validation = {"trust": scene.trust(source), "subjectAlternativeNames": named}
    scene.stage.apply(scene.definition({"mode": mode, "certificate": scene.shown(source), "validation": validation}))
    shown = {
        "right": OURS.issue(CLIENT),
        "none": None,
        "another name": OURS.issue("other.example"),
        "another authority": THEIRS.issue(CLIENT),
    }
    assert [why for why, pair in shown.items() if scene.heard(shows=pair)] == ["right"]
    assert bool(scene.heard(plaintext=True)) == (mode == "PERMISSIVE")


@pytest.mark.parametrize(
    ("protocol", "offered", "chosen"),
    [
        ("http", ("h2", "http/1.1"), "h2"),
        ("http", ("http/1.1",), "http/1.1"),
        ("http2", ("http/1.1", "h2"), "h2"),
        ("http2", ("http/1.1",), None),
        ("grpc", ("h2",), "h2"),
    ],
)
def test_a_port_offers_what_it_speaks(scene: Scene, protocol: str, offered: tuple[str, ...], chosen: str) -> None:
    tls = {"mode": "STRICT", "certificate": scene.shown("file")}
    scene.stage.apply(scene.definition(tls, protocol=protocol))
    assert scene.negotiated(*offered) == chosen


@pytest.mark.parametrize("at", TARGETS)
def test_a_gateways_policy_counts_for_what_its_routes_lead_to(scene: Scene, at: str) -> None:
    edge = {"mode": "DISABLED", "certificate": scene.shown("file")}
    certificate = {"certificate": scene.shown("file")}
    named = {"subjectAlternativeNames": {"match": {"exact": [HOST]}}}
    right = {"tls": certificate | {"validation": {"trust": scene.trust()} | named}}
    server = {"mode": "STRICT", "validation": {"trust": scene.trust()}} | certificate
    for policy, passes in ((right, True), (None, False), ({"tls": right["tls"] | {"enforce": False}}, True)):
        scene.stage.apply(scene.definition(edge, at=at, policy=policy, server=server))
        assert ("DNS=shop.example" in scene.heard(plaintext=True)) == passes
