"""What needs the machine that a proxy runs on is replaced, wherever it is, and said; nothing else is touched."""

from pathlib import Path

import pytest
from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from google.protobuf.message import Message

from gateway.envoy.stand_ins import replace
from isthmus.ir.transport import Calling, Demand, Material, Shown, Source
from isthmus.xds import app_mesh_tls, tls
from isthmus.xds.sources import packed

HERE = Path("/somewhere/temporary")


def log(path: str) -> accesslog_pb2.AccessLog:
    return accesslog_pb2.AccessLog(name="file", typed_config=packed(file_pb2.FileAccessLog(path=path)))


def listening(*filters: Message, own: str = "") -> bootstrap_pb2.Bootstrap:
    """A listener with these filters and, with `own`, an access log of its own."""
    out = bootstrap_pb2.Bootstrap()
    listener = out.static_resources.listeners.add(access_log=[log(own)] if own else [])
    for each in filters:
        listener.filter_chains.add().filters.add(typed_config=packed(each))
    return out


def http(path: str) -> Message:
    made: Message = hcm_pb2.HttpConnectionManager(stat_prefix="h", access_log=[log(path)])
    return made


@pytest.mark.parametrize(
    "said",
    [
        listening(http("/var/log/apps/a.log")),
        listening(tcp_proxy_pb2.TcpProxy(stat_prefix="t", access_log=[log("/var/log/apps/a.log")])),
        listening(own="/var/log/apps/a.log"),
    ],
    ids=["of HTTP", "of TCP", "of a listener"],
)
def test_a_log_goes_to_a_temporary_file(said: bootstrap_pb2.Bootstrap) -> None:
    assert replace(said, HERE) == {"access log /var/log/apps/a.log: a temporary file"}
    assert b"/somewhere/temporary/" in said.SerializeToString()
    assert b"/var/log/apps" not in said.SerializeToString()


def test_certificates_and_roots_that_are_not_here_are_throwaway_ones(tmp_path: Path) -> None:
    """Files that can be read here stay, so that Envoy says what it thinks of them."""
    (tmp_path / "ca.pem").write_text("here")
    certificates = (Material(Source.FILE, ("/c.pem", "/k.pem")), Material(Source.MANAGED, ("arn:c",)))
    clients = Demand(Material(Source.FILE, (str(tmp_path / "ca.pem"),)), ("a.example",))
    out = bootstrap_pb2.Bootstrap()
    chain = out.static_resources.listeners.add().filter_chains.add()
    chain.transport_socket.CopyFrom(app_mesh_tls.downstream(Shown(certificates, clients, plaintext=False), ["h2"]))
    cluster = out.static_resources.clusters.add()
    demanded = Demand(Material(Source.SDS, ("their-ca",)))
    calling = Calling(None, demanded, "a.example", proxied=True, asked=True, bare=False)
    cluster.transport_socket.CopyFrom(app_mesh_tls.upstream(calling, "isthmus-h2"))
    assert replace(out, HERE) == {
        "certificate /c.pem, /k.pem: a throwaway one",
        "certificate arn:c: a throwaway one",
        "trust in their-ca of SDS: in a throwaway authority",
    }
    said = out.SerializeToString()
    assert str(tmp_path / "ca.pem").encode() in said
    for gone in (b"/c.pem", b"arn:c", b"their-ca", b"sds_unix_socket"):
        assert gone not in said


def test_identities_and_bundles_stay_as_they_are() -> None:
    out = bootstrap_pb2.Bootstrap()
    chain = out.static_resources.listeners.add().filter_chains.add()
    chain.transport_socket.CopyFrom(tls.downstream("shop", "isthmus-h2"))
    before = out.SerializeToString(deterministic=True)
    assert replace(out, HERE) == frozenset()
    assert out.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    "said",
    [listening(http("/dev/stdout")), listening(), bootstrap_pb2.Bootstrap()],
    ids=["stdout", "no log", "nothing"],
)
def test_what_is_there_on_every_machine_is_left_as_it_is(said: bootstrap_pb2.Bootstrap) -> None:
    before = said.SerializeToString(deterministic=True)
    assert replace(said, HERE) == frozenset()
    assert said.SerializeToString(deterministic=True) == before
