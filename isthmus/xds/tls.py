"""tls: the mesh's own mutual TLS, one session from client sidecar to server sidecar, through any gateway.

TLS 1.3 only, said as minimum *and* maximum: the upstream default maximum is 1.2, and a minimum alone makes every
handshake fail (envoy.md §9). No resumption, so that a root that is dropped or an identity that is revoked counts at the
next connection. The private ALPN keeps mesh TLS apart from an application's own (design-notes 13).
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from isthmus.values import spiffe_segment
from isthmus.xds import names
from isthmus.xds.endpoints import PLAINTEXT
from isthmus.xds.joined import around, field, numbers
from isthmus.xds.snapshot import Resource
from isthmus.xds.sources import ADS, packed

_Sans = Iterable[string_pb2.StringMatcher]
_Validation: TypeAlias = tls_pb2.CommonTlsContext.CombinedCertificateValidationContext

_IDENTITY = secret_pb2.SdsSecretConfig(name=names.IDENTITY, sds_config=ADS)
_TLS_1_3 = tls_pb2.CommonTlsContext(
    tls_params=common_pb2.TlsParameters(
        tls_minimum_protocol_version=common_pb2.TlsParameters.TLSv1_3,
        tls_maximum_protocol_version=common_pb2.TlsParameters.TLSv1_3,
    ),
    tls_certificate_sds_secret_configs=[_IDENTITY],
)
_BUNDLE = secret_pb2.SdsSecretConfig(name=names.BUNDLE, sds_config=ADS)


def downstream(mesh: str, alpn: str) -> base_pb2.TransportSocket:
    """What a port of a node demands: a certificate of this mesh, of any cluster whose bundle we hold.

    The mesh is matched by pattern, not by listing clusters: a listener that changed with every attachment would drain.
    """
    context = tls_pb2.DownstreamTlsContext(
        common_tls_context=_common(members(mesh), [alpn]),
        require_client_certificate=BoolValue(value=True),
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context))


def members(mesh: str) -> _Validation:
    """Whoever shows to be of a mesh: a node, or a gateway."""
    pattern = rf"spiffe://[^/]+/mesh/{re.escape(spiffe_segment(mesh))}/(node|gateway)/[^/]+"
    return _validated([string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=pattern))])


def own_identity() -> secret_pb2.SdsSecretConfig:
    """The certificate of a proxy's own node, or gateway."""
    return _IDENTITY


def upstream(identities: Sequence[str], alpn: str) -> bytes:
    """What a client demands: exactly the node it means, in a cluster where that node is placed; a `TransportSocket`.

    Placed nowhere, it matches nothing: an empty list would match everyone. Each endpoint's hostname is the SNI.
    """
    sans = (
        _URI + field(_MATCHER, field(_EXACT, name.encode())) for name in identities or ("spiffe://nowhere.invalid",)
    )
    demanded = field(_DEMANDED, b"".join([field(_SANS, san) for san in sans]))
    before, after = _around_validation(alpn)
    common = before + field(_VALIDATION, demanded + _BY_BUNDLE) + after
    context = field(_COMMON, common) + _FROM_HOSTNAME
    return _NAMED + field(_TYPED, _OF_TYPE + field(_VALUE, context))


@lru_cache(maxsize=8)
def _around_validation(alpn: str) -> tuple[bytes, ...]:
    return around(_common(_Validation(), [alpn]), "combined_validation_context")


def plaintext() -> cluster_pb2.Cluster.TransportSocketMatch:
    """For endpoints that say so, where the mesh allows it; all others have the cluster's own socket, which is TLS."""
    raw = base_pb2.TransportSocket(
        name="envoy.transport_sockets.raw_buffer", typed_config=packed(raw_buffer_pb2.RawBuffer())
    )
    match = Struct()
    match.fields["transport"].string_value = PLAINTEXT
    return cluster_pb2.Cluster.TransportSocketMatch(name=PLAINTEXT, match=match, transport_socket=raw)


_BARE = plaintext().SerializeToString(deterministic=True)


def may_be_plaintext(backend: Resource) -> bool:
    """Whether a proxy with this backend calls those of its endpoints in plaintext that say so."""
    return _BARE in backend.body


def _common(validation: _Validation, alpn: Iterable[str]) -> tls_pb2.CommonTlsContext:
    out = tls_pb2.CommonTlsContext(alpn_protocols=alpn)
    out.MergeFrom(_TLS_1_3)
    out.combined_validation_context.CopyFrom(validation)
    return out


def _validated(sans: _Sans) -> _Validation:
    """By the bundles, never merged, and one of these names."""
    out = _Validation()
    out.validation_context_sds_secret_config.CopyFrom(_BUNDLE)
    for matcher in sans:
        out.default_validation_context.match_typed_subject_alt_names.add(
            san_type=common_pb2.SubjectAltNameMatcher.URI, matcher=matcher
        )
    return out


_NAMED: bytes = base_pb2.TransportSocket(name="envoy.transport_sockets.tls").SerializeToString(deterministic=True)
_OF_TYPE: bytes = packed(tls_pb2.UpstreamTlsContext()).SerializeToString(deterministic=True)
_FROM_HOSTNAME: bytes = tls_pb2.UpstreamTlsContext(
    auto_host_sni=True, max_session_keys=UInt32Value(value=0)
).SerializeToString(deterministic=True)
_BY_BUNDLE: bytes = _validated(()).SerializeToString(deterministic=True)
_URI: bytes = common_pb2.SubjectAltNameMatcher(san_type=common_pb2.SubjectAltNameMatcher.URI).SerializeToString(
    deterministic=True
)
(_TYPED,), (_VALUE,) = numbers(base_pb2.TransportSocket, "typed_config"), numbers(Any, "value")
(_COMMON,) = numbers(tls_pb2.UpstreamTlsContext, "common_tls_context")
(_VALIDATION,) = numbers(tls_pb2.CommonTlsContext, "combined_validation_context")
(_DEMANDED,) = numbers(_Validation, "default_validation_context")
(_SANS,) = numbers(common_pb2.CertificateValidationContext, "match_typed_subject_alt_names")
(_MATCHER,) = numbers(common_pb2.SubjectAltNameMatcher, "matcher")
(_EXACT,) = numbers(string_pb2.StringMatcher, "exact")
