"""supplying: what TLS of a compiled view refers to, made up: files that are there, and certificates that are managed.

Envoy reads files when it is told of them and refuses what it cannot read; where a test is not about their content, all
of them are one certificate, and all roots one authority. The tenant's own SDS may stay away: nobody waits for it long.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2

from isthmus.xds import names
from isthmus.xds.snapshot import Resource, Type
from tests.contract.envoy.authorities import Authority, Pair, put


@dataclass(frozen=True)
class _Made:
    """One certificate and its authority, in files that last as long as the tests."""

    folder: "tempfile.TemporaryDirectory[str]"
    pair: Pair
    authority: Authority
    paths: tuple[str, str]
    roots: str


@cache
def _made() -> _Made:
    folder, authority = tempfile.TemporaryDirectory(prefix="isthmus-supplied-"), Authority("made up")
    pair = authority.issue("made-up.example")
    at = Path(folder.name)
    return _Made(folder, pair, authority, pair.write(at, "pair"), put(at / "roots.pem", authority.pem))


def supplied(resources: Iterable[Resource]) -> list[Resource]:
    """The resources, with files that are there, and with the managed secrets that they refer to."""
    listed = [_read(r) if names.paths(r.name) and r.type is Type.SECRET else r for r in resources]
    wanted = {name for r in listed for name in _managed(r)}
    return [*listed, *map(_given, sorted(wanted))]


def _read(secret: Resource) -> Resource:
    message = secret_pb2.Secret.FromString(secret.body)
    if message.HasField("tls_certificate"):
        pair = message.tls_certificate
        pair.certificate_chain.filename, pair.private_key.filename = _made().paths
    else:
        message.validation_context.trusted_ca.filename = _made().roots
    return replace(secret, body=message.SerializeToString(deterministic=True))


def _given(name: str) -> Resource:
    made, family = _made(), name.partition("/")[0]
    message = made.pair.secret(name) if family == names.CERTIFICATE else made.authority.secret(name)
    return Resource(Type.SECRET, name, message.SerializeToString(deterministic=True))


def _managed(resource: Resource) -> Iterator[str]:
    for socket in _sockets(resource):
        kind = tls_pb2.DownstreamTlsContext if resource.type is Type.LISTENER else tls_pb2.UpstreamTlsContext
        if socket.typed_config.Is(kind.DESCRIPTOR):
            said = kind.FromString(socket.typed_config.value).common_tls_context
            roots = said.combined_validation_context.validation_context_sds_secret_config
            listed = (*said.tls_certificate_sds_secret_configs, roots)
            yield from (each.name for each in listed if names.managed(each.name) and each.sds_config.HasField("ads"))


def _sockets(resource: Resource) -> Sequence[base_pb2.TransportSocket]:
    if resource.type is Type.LISTENER:
        return [c.transport_socket for c in listener_pb2.Listener.FromString(resource.body).filter_chains]
    if resource.type is Type.CLUSTER:
        cluster = cluster_pb2.Cluster.FromString(resource.body)
        return [cluster.transport_socket, *(m.transport_socket for m in cluster.transport_socket_matches)]
    return []
