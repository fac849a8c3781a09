"""Strangers at a port with App Mesh's TLS, beside it and through the cluster's gateway: who gets in, by mode.

One node has a port for each mode. A stranger is who connects by himself, without a proxy of the mesh, with whatever he
could get hold of; he claims to be somebody in a header, too, which no application may ever hear.
"""

import datetime as dt
import json
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from isthmus.values import mesh_label, service_id
from isthmus.wire import Sni
from tests import build
from tests.contract.envoy.authorities import Authority, Pair, put
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.stage import (
    EAST_WEST,
    HTTP,
    HTTP2,
    MESH_ID,
    SECOND,
    THIRD,
    Instance,
    Stage,
    inbound,
)

Json = Any
OURS, THEIRS = Authority("ours"), Authority("theirs")
CLIENT = "spiffe://ours/front"
MODES = {"strict": HTTP, "permissive": HTTP2, "validated": SECOND, "permissive and validated": THIRD}
FORGED = "URI=spiffe://forged"
BESIDE, NAMED, GATEWAY = WAYS = "at the port, by its own name", "at the port, by the mesh's name", "through the gateway"


class Stranger(NamedTuple):
    """What he offers: a certificate (None: none), and the ALPN that he says first; no ALPN at all is plaintext."""

    shows: Pair | None
    alpn: str = "http/1.1"


class Scene:
    """A node in west, `far`, with a port for each mode."""

    def __init__(self, folder: Path) -> None:
        OURS.issue("far.example").write(folder, "server")
        put(folder / "ca.pem", OURS.pem)
        self.folder = folder
        self.stage = Stage(Instance("far", cluster="west"))
        listeners = [
            {"portMapping": {"port": port, "protocol": "http"}, "tls": self._tls(mode)} for mode, port in MODES.items()
        ]
        self.stage.apply(
            build.definition(
                *(build.attachment(cluster) for cluster in ("east", "west")),
                build.document("VirtualNode", "far", {"listeners": listeners}),
                build.placement("far", "west"),
            )
        )

    def _tls(self, mode: str) -> Json:
        chain, key = (str(self.folder / f"server.{end}") for end in ("pem", "key"))
        said: Json = {"mode": "PERMISSIVE" if "permissive" in mode else "STRICT"}
        said["certificate"] = {"file": {"certificateChain": chain, "privateKey": key}}
        if "validated" in mode:
            trust = {"file": {"certificateChain": str(self.folder / "ca.pem")}}
            names = {"match": {"exact": [CLIENT]}}
            said["validation"] = {"trust": trust, "subjectAlternativeNames": names}
        return said

    def strangers(self) -> dict[str, Stranger]:
        """By what he is."""
        west, mesh, other = self.stage.domains["west"], "shop", Domain("west-1.other.isthmus.internal")
        member = f"spiffe://{west.name}/mesh/{mesh}/node/front"
        return {
            "in plaintext": Stranger(None, ""),
            "without a certificate": Stranger(None),
            "with the certificate": Stranger(OURS.issue(CLIENT)),
            "with it in dns of another name": Stranger(OURS.issue("front.example")),
            "with another client's": Stranger(OURS.issue("spiffe://ours/other")),
            "with an expired one": Stranger(OURS.issue(CLIENT, life=-dt.timedelta(days=1))),
            "with another authority's": Stranger(THEIRS.issue(CLIENT)),
            "with a member's identity, as a stranger": Stranger(Pair(*west.leaf(member))),
            "a member": Stranger(Pair(*west.leaf(member)), "isthmus-h1"),
            "a member without its identity": Stranger(None, "isthmus-h1"),
            "another mesh's member": Stranger(Pair(*west.leaf(member.replace("/shop/", "/zoo/"))), "isthmus-h1"),
            "another domain's member": Stranger(Pair(*other.leaf(member)), "isthmus-h1"),
            "with the certificate, as a member": Stranger(OURS.issue(CLIENT), "isthmus-h1"),
            "with the certificate, as a proxy": Stranger(OURS.issue(CLIENT), "app-mesh-asked-h1"),
            "without one, as a proxy": Stranger(None, "app-mesh-asked-h1"),
            "a member, as a proxy": Stranger(Pair(*west.leaf(member)), "app-mesh-h1"),
            "nobody, as a proxy": Stranger(None, "app-mesh-h1"),
        }

    def heard(self, stranger: Stranger, port: int, way: str) -> str:
        """Whom the application took him for; empty if he was not let in."""
        through, ours = (
            way == GATEWAY,
            Sni(self.stage.slot("far"), port, service_id(MESH_ID, "far"), mesh_label(MESH_ID)),
        )
        sni = "far.example" if way == BESIDE else ours.text()
        at = ("far", inbound(port)) if not through else ("east-west/west", EAST_WEST)
        alpn = [stranger.alpn, *(["isthmus-h1"] if through else [])]
        try:
            raw = socket.create_connection((self.stage.addresses[at[0]], at[1]), timeout=10)
            with closing(raw), closing(self._secured(raw, stranger, alpn, sni)) as connection:
                return _asked(connection)
        except (ssl.SSLError, OSError):
            return ""

    def _secured(self, raw: socket.socket, stranger: Stranger, alpn: Sequence[str], sni: str) -> socket.socket:
        if not stranger.alpn:
            return raw
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(list(dict.fromkeys(alpn)))
        if stranger.shows is not None:
            context.load_cert_chain(*stranger.shows.write(self.folder, "stranger"))
        return context.wrap_socket(raw, server_hostname=sni)


def _asked(connection: socket.socket) -> str:
    head = f"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-forwarded-client-cert: {FORGED}\r\n\r\n"
    connection.sendall(head.encode())
    said = b""
    while more := connection.recv(65536):
        said += more
    status, body = said.partition(b"\r\n")[0], said.partition(b"\r\n\r\n")[2]
    if not status.startswith(b"HTTP/1.1 200"):
        return ""
    told = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
    return str(told["headers"].get("x-forwarded-client-cert", "nobody"))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("tls"))
    try:
        yield made
    finally:
        made.stage.stop()


PROXY = {"with the certificate, as a proxy": CLIENT}
KNOWN = {"with the certificate": CLIENT, "with the certificate, as a member": CLIENT} | PROXY
MEMBERS = {"a member": "the member", "a member, as a proxy": "the member"}
PLAIN = {"in plaintext": "nobody"}
"""Who gets in, and whom the application takes them for. By the mesh's own name nobody does who only asks for HTTP."""

UNSAID = {"with a member's identity, as a stranger": "the member"}
"""And who offers one of ours besides, as one must to a gateway."""


def let_in(scene: Scene, mode: str, way: str) -> dict[str, str]:
    """Where nobody is asked for a certificate anybody gets in by whatever name, but by the mesh's own."""
    anybody = {who: "nobody" for who, stranger in scene.strangers().items() if stranger.alpn}
    besides = UNSAID if way == GATEWAY else {}
    named = PROXY if "validated" in mode else MEMBERS | besides
    secured = (KNOWN if "validated" in mode else anybody) if way == BESIDE else named
    return secured | (PLAIN if "permissive" in mode and way != GATEWAY else {})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_who_gets_in_and_as_whom(scene: Scene, mode: str, way: str) -> None:
    """A gateway passes no plaintext on, and to what it passes on nobody gets whom the mesh does not know."""
    west = scene.stage.domains["west"].name
    heard = {who: scene.heard(stranger, MODES[mode], way) for who, stranger in scene.strangers().items()}
    told = {who: said.rpartition("URI=")[2] for who, said in heard.items() if said}
    member = f"spiffe://{west}/mesh/shop/node/front"
    assert told == {who: member if said == "the member" else said for who, said in let_in(scene, mode, way).items()}
