"""Whom gRPC's own client believes, and who believes it: what is wrong fails, what is renewed is followed."""

import socket
import ssl
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2

from gateway.proto import host_pb2
from gateway.warden.proxyless import BOOTSTRAP, CREDENTIALS, ENVIRONMENT
from isthmus.model.definition import Definition
from isthmus.values import ALPN_GRPC, mesh_label, service_id
from isthmus.wire import Sni
from isthmus.xds import names
from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.contract.envoy.asking import free_port
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.grpc_client import Client
from tests.contract.envoy.proxyless import NAME, Host
from tests.contract.envoy.stage import EAST_WEST, GRPC, MESH_ID, Instance, Stage, inbound
from tests.until import until

TARGET, AWAY = (f"xds:///{name}:{GRPC}" for name in ("blue.local", "green.local"))
EAST = "spiffe://east-1.acme.isthmus.internal"
SOON = 30.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""What an HTTP/2 client says first: its preface and no settings (RFC 9113 §3.4)."""


def mesh() -> Definition:
    """`blue` runs in east, `green` in west."""
    return build.definition(
        *(build.attachment(cluster) for cluster in ("east", "west")),
        build.node("front", port=GRPC, protocol="grpc", backends=["blue.local", "green.local"]),
        *(build.node(node, port=GRPC, protocol="grpc") for node in ("blue", "green")),
        *(build.service(f"{node}.local", node=node) for node in ("blue", "green")),
        build.placement("blue", "east"),
        build.placement("green", "west"),
        settings={"transport": "strict"},
    )


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage(Instance("blue"), Instance("green", cluster="west"))
    try:
        made.apply(mesh())
        yield made
    finally:
        made.stop()


@pytest.fixture
def host(stage: Stage) -> Iterator[Host]:
    made = Host(stage)
    try:
        made.tell()
        yield made
    finally:
        made.stop()


@pytest.fixture
def client(host: Host) -> Client:
    return host.client()


def connect_again(stage: Stage) -> None:
    """Blue's proxy is another one, to which nobody is connected."""
    stage.kill("blue")
    until(lambda: not stage.ads.acked("blue"))
    stage.start()


def works(client: Client, target: str = TARGET) -> bool:
    return client.call(target).code == "OK"


def test_a_renewed_certificate_is_shown_at_the_next_connection(stage: Stage, host: Host, client: Client) -> None:
    assert works(client)
    before = host.certificate()
    host.certify()
    after = host.certificate()
    assert before != after
    until(lambda: shown_anew(stage, client) == sha256(after.public_bytes(Encoding.DER)).hexdigest(), SOON)


def shown_anew(stage: Stage, client: Client) -> str:
    """The digest of the certificate that a new connection is made with: gRPC looks at its files every second."""
    connect_again(stage)
    until(lambda: works(client), SOON)
    shown = client.call(TARGET).said["headers"]["x-forwarded-client-cert"]
    return dict(part.split("=", 1) for part in shown.split(";"))["Hash"]  # type: ignore[no-any-return]


def test_another_root_is_followed_and_nothing_else_will_do(stage: Stage, host: Host, client: Client) -> None:
    """The same process and channel: its files are read again."""
    assert works(client)
    old, new = stage.domains["east"], Domain(stage.domains["east"].name)
    stage.rotate("east", new)
    stage.tell()
    connect_again(stage)
    assert client.call(TARGET, seconds=5).code == "UNAVAILABLE", "it believes the old root only"
    host.own, host.trusted = new, [old, new, stage.domains["west"]]
    host.tell()
    until(lambda: works(client), SOON)
    until(lambda: works(client, AWAY), SOON)


def test_without_its_environment_it_believes_its_own_cluster_only(stage: Stage, host: Host) -> None:
    client = host.client(GRPC_EXPERIMENTAL_XDS_MTLS_SPIFFE="false")
    assert works(client)
    came = client.call(AWAY)
    assert (came.code, "CERTIFICATE_VERIFY_FAILED" in came.details) == ("UNAVAILABLE", True)
    assert works(host.client(), AWAY)


def test_another_nodes_instance_is_not_taken_for_the_one_meant(host: Host, client: Client) -> None:
    """Green's identity is demanded of blue's proxy."""
    assert works(client, AWAY)
    _, found = host.stage.calling("east", "front")
    blue = found[names.backend("blue", GRPC)]
    host.instead = (Resource(Type.ENDPOINTS, names.backend("green", GRPC), blue.body),)
    host.tell()
    until(lambda: client.call(AWAY).code == "UNAVAILABLE", SOON)
    details = client.call(AWAY).details
    assert f":{inbound(GRPC)}" in details, "it did call blue's proxy"
    assert "SAN" in details, details


@contextmanager
def rogue(domain: Domain, uri: str) -> Iterator[Resource]:
    """Someone who has a certificate of this root, as the only endpoint of blue."""
    chain, key = domain.leaf(uri)
    server = grpc.server(ThreadPoolExecutor(4), handlers=[_Yes()])
    credentials = grpc.ssl_server_credentials([(key, chain)])
    port = server.add_secure_port(f"127.0.0.1:{free_port()}", credentials)
    server.start()
    name = names.backend("blue", GRPC)
    said = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    only = said.endpoints.add().lb_endpoints.add().endpoint
    only.address.socket_address.address, only.address.socket_address.port_value = "127.0.0.1", port
    try:
        yield Resource(Type.ENDPOINTS, name, said.SerializeToString())
    finally:
        server.stop(grace=0).wait()


class _Yes(grpc.GenericRpcHandler):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        return grpc.unary_unary_rpc_method_handler(lambda *_: b'{"app": "rogue"}')


@pytest.mark.parametrize(
    ("signer", "claims", "code"),
    [
        ("east", f"{EAST}/mesh/shop/node/blue", "OK"),
        ("west", f"{EAST}/mesh/shop/node/blue", "UNAVAILABLE"),
        ("east", f"{EAST}/mesh/shop/node/green", "UNAVAILABLE"),
        ("east", f"{EAST}/mesh/other/node/blue", "UNAVAILABLE"),
        ("west", "spiffe://west-1.acme.isthmus.internal/mesh/shop/node/blue", "UNAVAILABLE"),
    ],
    ids=["itself", "another cluster's root", "another node", "another mesh", "a cluster where it is not placed"],
)
def test_a_server_is_believed_by_its_own_clusters_root_only(
    stage: Stage, host: Host, signer: str, claims: str, code: str
) -> None:
    with rogue(stage.domains[signer], claims) as endpoints:
        host.instead = (endpoints,)
        host.tell()
        assert host.client().call(TARGET).code == code


def test_what_it_refuses_is_told_in_its_own_words(host: Host, client: Client) -> None:
    """And what it had goes on."""
    assert works(client)
    acked, name = host.report().acked, names.mtls(names.backend("blue", GRPC))
    unknown = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.ORIGINAL_DST)
    host.instead = (Resource(Type.CLUSTER, name, unknown.SerializeToString()),)
    host.offer()
    nack = until(lambda: next(iter(host.report().nacks), host_pb2.ProxyNack()), SOON)
    assert (nack.type, nack.name, nack.version) == ("cds", name, host.instead[0].ref.version)
    assert "INVALID_ARGUMENT" in nack.message
    assert host.report().acked == acked
    assert works(client)
    host.instead = ()
    host.tell()
    assert not host.report().nacks


def test_what_it_starts_from_is_its_owners_alone_and_goes_with_it(host: Host) -> None:
    files = [host.folder / BOOTSTRAP, host.folder / ENVIRONMENT, *(host.folder / CREDENTIALS).iterdir()]
    assert {file.name for file in files[2:]} == {"certificate.pem", "key.pem", "ca.pem", "bundles.json"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert host.folder.stat().st_mode & 0o777 == 0o700
    host.leave()
    assert not [file for file in files if file.exists()]
    assert NAME not in host.warden.proxies


@pytest.mark.parametrize(
    ("signer", "uri", "welcome"),
    [
        ("east", f"{EAST}/mesh/shop/node/front", True),
        ("", "", False),
        ("east", f"{EAST}/mesh/other/node/front", False),
        ("east", f"{EAST}/host/h1", False),
        ("west", f"{EAST}/mesh/shop/node/front", False),
    ],
    ids=["a node", "no certificate", "another mesh's", "a host's", "another cluster's root"],
)
@pytest.mark.parametrize("through", ["directly", "through the gateway"])
def test_an_inbound_port_takes_no_strangers_by_grpcs_alpn(
    stage: Stage, signer: str, uri: str, through: str, *, welcome: bool
) -> None:
    node = "blue" if through == "directly" else "green"
    known = Sni("any", GRPC, service_id(MESH_ID, node), mesh_label(MESH_ID)).text()
    at = (stage.addresses["blue"], inbound(GRPC)) if node == "blue" else (stage.addresses["east-west/west"], EAST_WEST)
    leaf = stage.domains[signer].leaf(uri) if signer else None
    assert greeted(at, known, leaf) is welcome


def test_the_gateway_knows_no_other_names_by_grpcs_alpn(stage: Stage) -> None:
    leaf = stage.domains["east"].leaf(f"{EAST}/mesh/shop/node/front")
    at = (stage.addresses["east-west/west"], EAST_WEST)
    nobody = Sni("any", GRPC, service_id(MESH_ID, "blue"), mesh_label(MESH_ID)).text()
    assert not greeted(at, nobody, leaf), "blue does not run there"
    assert not greeted(at, "xds", leaf)


def greeted(at: tuple[str, int], sni: str, leaf: tuple[bytes, bytes] | None) -> bool:
    """Whether a client gets HTTP/2's first answer. It believes whoever it meets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([ALPN_GRPC])
    if leaf is not None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "both.pem"
            file.write_bytes(b"".join(leaf))
            context.load_cert_chain(file)
    try:
        with socket.create_connection(at, SOON) as plain, context.wrap_socket(plain, server_hostname=sni) as secured:
            secured.sendall(PREFACE)
            return bool(secured.recv(9))
    except (ssl.SSLError, OSError):
        return False
