"""Several certificates of one listener: a client is shown the one for the name that it asks for, else the first."""

import socket
import ssl
from collections.abc import Iterator
from functools import partial

import pytest
from cryptography import x509
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from isthmus.ir.transport import Material, Shown, Source
from isthmus.xds import app_mesh_tls, names
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import packed
from tests.contract.envoy.ads import Ads
from tests.contract.envoy.asking import free_port
from tests.contract.envoy.authorities import Authority
from tests.contract.envoy.feeding import Envoy
from tests.until import until

OURS = Authority("ours")
CERTIFICATES = {"first": ("first.example",), "second": ("second.example",), "any": ("*.wild.example", "any.example")}
PORT = free_port()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a listener that shows all of them, in this order."""
    shown = Shown(tuple(Material(Source.MANAGED, (arn,)) for arn in CERTIFICATES), None, plaintext=False)
    proxy = tcp_proxy_pb2.TcpProxy(stat_prefix="x", cluster="nowhere")
    proxy.upstream_connect_mode = tcp_proxy_pb2.ON_DOWNSTREAM_TLS_HANDSHAKE
    proxy.max_early_data_bytes.value = 1
    end = listener_components_pb2.Filter(name="end", typed_config=packed(proxy))
    made = listener_pb2.Listener(name="l", filter_chains=[app_mesh_tls.secured(shown, app_mesh_tls.HTTP, [end])])
    made.filter_chains[0].ClearField("filter_chain_match")
    made.address.socket_address.address, made.address.socket_address.port_value = "127.0.0.1", PORT
    issued = (OURS.issue(*said).secret(names.certificate(arn)) for arn, said in CERTIFICATES.items())
    secrets = [Resource(Type.SECRET, each.name, each.SerializeToString()) for each in issued]
    ads = Ads()
    ads.give("edge", [Resource(Type.LISTENER, "l", made.SerializeToString()), *secrets])
    envoy = Envoy("edge", ads)
    try:
        until(partial(_shown, "127.0.0.1", "first.example"))
        yield "127.0.0.1"
    finally:
        envoy.stop()
        ads.stop()


def _shown(address: str, name: str | None) -> str:
    """The first name in what is shown; empty if nobody is there yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address, PORT), 5) as raw,
            context.wrap_socket(raw, server_hostname=name) as connection,
        ):
            found = connection.getpeercert(binary_form=True)
    except OSError:
        return ""
    assert found is not None
    said = x509.load_der_x509_certificate(found).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return str(said.value.get_values_for_type(x509.DNSName)[0])


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("first.example", "first.example"),
        ("second.example", "second.example"),
        ("SECOND.example", "first.example"),
        ("a.wild.example", "*.wild.example"),
        ("any.example", "*.wild.example"),
        ("a.b.wild.example", "first.example"),
        ("unknown.example", "first.example"),
        (None, "first.example"),
    ],
)
def test_the_name_that_is_asked_for_chooses(address: str, asked: str | None, shown: str) -> None:
    """Envoy 1.40 knows case here; browsers ask in lower case (WHATWG URL, "host parsing")."""
    assert _shown(address, asked) == shown
