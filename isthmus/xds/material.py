"""material: where Envoy gets certificates and roots from: files, the tenant's own SDS, or the control plane.

Files are secrets of our own stream that name them, and so never in a listener: Envoy reads them again when one is
renamed into place, and keeps the old pair while the new one does not fit (measured on 1.40, for single files and for
Kubernetes' `..data`). App Mesh never read them again. One that cannot be read is refused at once, in Envoy's words, so
a rollout halts; when it is there at last it is read.

A secret is of one half of a view, because the halves travel in different phases: one that serves and one that is for
calls have different names, whatever files they are of.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from envoy.config.core.v3 import config_source_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2

from isthmus.ir.transport import Calling, Demand, Material, Shown, Source
from isthmus.xds import names
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import ADS, lasting

SDS_PATIENCE = 2000
"""How long a listener or a backend waits for the tenant's own SDS before it goes without.

Milliseconds: Envoy's 15 s would hold up all that a proxy does when it starts.
"""


class Half(StrEnum):
    """Which half of a view a secret is of."""

    SERVING = "serving"
    CALLING = "calling"


def certificate(said: Material, half: Half) -> secret_pb2.SdsSecretConfig:
    """A certificate with its key."""
    if said.source is Source.MANAGED:
        return _ours(names.certificate(*said.names))
    return _referred(said, half)


def roots(said: Material, half: Half) -> secret_pb2.SdsSecretConfig:
    """The certificates of authorities."""
    if said.source is Source.MANAGED:
        return _ours(names.authority(*said.names))
    return _referred(said, half)


def of_listener(said: Shown | None) -> Iterator[Resource]:
    """The secrets that a listener's files make."""
    if said is not None:
        yield from _files(said.certificates, said.clients, Half.SERVING)


def of_calls(said: Calling | None) -> Iterator[Resource]:
    """The secrets that a backend's files make."""
    if said is not None:
        yield from _files(() if said.certificate is None else (said.certificate,), said.server, Half.CALLING)


def _files(certificates: Iterable[Material], demanded: Demand | None, half: Half) -> Iterator[Resource]:
    for each in certificates:
        if each.source is Source.FILE:
            pair = common_pb2.TlsCertificate()
            pair.certificate_chain.filename, pair.private_key.filename = each.names
            yield _secret(secret_pb2.Secret(name=names.files(half, *each.names), tls_certificate=pair))
    if demanded is not None and demanded.trust is not None and demanded.trust.source is Source.FILE:
        (path,) = demanded.trust.names
        context = common_pb2.CertificateValidationContext()
        context.trusted_ca.filename = path
        yield _secret(secret_pb2.Secret(name=names.files(half, path), validation_context=context))


def _referred(said: Material, half: Half) -> secret_pb2.SdsSecretConfig:
    if said.source is Source.FILE:
        return _ours(names.files(half, *said.names))
    (name,) = said.names
    return secret_pb2.SdsSecretConfig(name=name, sds_config=_TENANTS)


def _ours(name: str) -> secret_pb2.SdsSecretConfig:
    return secret_pb2.SdsSecretConfig(name=name, sds_config=ADS)


def _tenants() -> config_source_pb2.ConfigSource:
    out = config_source_pb2.ConfigSource(
        resource_api_version=config_source_pb2.V3, initial_fetch_timeout=lasting(SDS_PATIENCE)
    )
    out.api_config_source.api_type = config_source_pb2.ApiConfigSource.GRPC
    out.api_config_source.transport_api_version = config_source_pb2.V3
    out.api_config_source.grpc_services.add().envoy_grpc.cluster_name = names.TENANTS_SDS
    return out


_TENANTS = _tenants()


def _secret(message: secret_pb2.Secret) -> Resource:
    return Resource(Type.SECRET, message.name, message.SerializeToString(deterministic=True))
