"""Certificates in files: what is renamed into place is shown, what does not fit is not, what is missing is refused."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from isthmus.ir.transport import Material, Shown, Source
from isthmus.xds import app_mesh_tls, material
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import packed
from tests.contract.envoy.ads import Ads
from tests.contract.envoy.asking import free_port
from tests.contract.envoy.authorities import Authority, put
from tests.contract.envoy.feeding import Envoy
from tests.until import until

OURS = Authority("ours")
PORT = free_port()


@contextmanager
def showing(folder: Path) -> Iterator[Ads]:
    """An Envoy with a listener that shows what is in a folder; its feed."""
    shown = Shown((Material(Source.FILE, (f"{folder}/c.pem", f"{folder}/c.key")),), None, plaintext=False)
    proxy = tcp_proxy_pb2.TcpProxy(stat_prefix="x", cluster="nowhere")
    proxy.upstream_connect_mode = tcp_proxy_pb2.ON_DOWNSTREAM_TLS_HANDSHAKE
    proxy.max_early_data_bytes.value = 1
    end = listener_components_pb2.Filter(name="end", typed_config=packed(proxy))
    made = listener_pb2.Listener(name="l", filter_chains=[app_mesh_tls.secured(shown, app_mesh_tls.HTTP, [end])])
    made.filter_chains[0].ClearField("filter_chain_match")
    made.address.socket_address.address, made.address.socket_address.port_value = "127.0.0.1", PORT
    ads = Ads()
    ads.give("p", [Resource(Type.LISTENER, "l", made.SerializeToString()), *material.of_listener(shown)])
    envoy = Envoy("p", ads)
    try:
        yield ads
    finally:
        envoy.stop()
        ads.stop()


def shows(name: str) -> bool:
    """Whether a new connection is shown a certificate of this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", PORT), 5) as raw, context.wrap_socket(raw) as connection:
            found = connection.getpeercert(binary_form=True)
    except OSError:
        return False
    assert found is not None
    said = x509.load_der_x509_certificate(found).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return said.value.get_values_for_type(x509.DNSName) == [name]


def test_what_is_renamed_into_place_is_shown_and_what_does_not_fit_is_not(tmp_path: Path) -> None:
    OURS.issue("first.example").write(tmp_path, "c")
    with showing(tmp_path) as ads:
        until(partial(shows, "first.example"))
        put(tmp_path / "c.pem", b"no certificate")
        assert shows("first.example")
        OURS.issue("second.example").write(tmp_path, "c")
        until(partial(shows, "second.example"))
        assert ads.refused == []


def test_kubernetes_exchanges_a_whole_folder(tmp_path: Path) -> None:
    for version in ("first", "second"):
        (tmp_path / version).mkdir()
        OURS.issue(f"{version}.example").write(tmp_path / version, "c")
    (tmp_path / "..data").symlink_to("first")
    for name in ("c.pem", "c.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    with showing(tmp_path):
        until(partial(shows, "first.example"))
        (tmp_path / "..new").symlink_to("second")
        (tmp_path / "..new").replace(tmp_path / "..data")
        until(partial(shows, "second.example"))


@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_what_is_missing_is_refused_at_once_in_envoys_words(tmp_path: Path, folder: str) -> None:
    with showing(tmp_path / folder) as ads:
        until(lambda: ads.refused)
        assert str(tmp_path) in ads.refused[0]
        if folder == ".":
            OURS.issue("late.example").write(tmp_path, "c")
            until(partial(shows, "late.example"))
