"""app_mesh_tls: App Mesh's own TLS in Envoy's words, for listeners and for backends.

TLS 1.2 and 1.3, as App Mesh had it, and no resumption: who is trusted no longer is refused at the next connection.

Between proxies it travels like the mesh's own TLS, to the same SNI and through the same gateways, whose fence demands
one of our ALPNs. So a client offers two: first one of App Mesh's, which chooses the chain at the server (Envoy looks
for a chain by the client's list, in its order), then the mesh's, for the gateway. Each has a fixed codec, and there are
two kinds by whom a port lets in, so that a port which changes can serve both ways until its callers have followed.
Whoever has no proxy of ours is told neither.

App Mesh had no gateways between clusters, which anybody may reach and which know nobody. So a listener that demands no
certificate of its clients demands one all the same of whoever asks by the mesh's SNI, as all do who come through a
gateway: the caller's own identity, which a proxy shows wherever nothing else is asked for. Who reaches the port itself,
by any other name, is taken as written: that is the last of the chains for TLS.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from isthmus.ir.transport import Calling, Demand, Shown
from isthmus.model.patterns import wildcard
from isthmus.values import ALPN_H1, ALPN_H2, ALPN_TCP
from isthmus.xds import material, tls
from isthmus.xds.endpoints import PLAINTEXT
from isthmus.xds.material import Half
from isthmus.xds.snapshot import Resource
from isthmus.xds.sources import packed

BY_MEMBERS = {ALPN_H2: "app-mesh-h2", ALPN_H1: "app-mesh-h1", ALPN_TCP: "app-mesh-tcp"}
BY_CERTIFICATE = {ALPN_H2: "app-mesh-asked-h2", ALPN_H1: "app-mesh-asked-h1", ALPN_TCP: "app-mesh-asked-tcp"}
"""What proxies offer before each of the mesh's: to a port that asks for no certificate, and to one that does."""

SPOKEN = {ALPN_H2: ("h2",), ALPN_H1: ("http/1.1",), ALPN_TCP: ()}
"""What is offered to whoever is no proxy of ours."""

HTTP = ("h2", "http/1.1")
"""What a port of requests understands of strangers; one of raw bytes is told nothing that has a name."""

SECURED, PLAIN = "app-mesh", "plaintext"
"""The chains for TLS that no other is for, and for plaintext."""

WITHOUT_PROXY = "without-proxy"
"""The transport to endpoints without a proxy of ours."""

_NOWHERE = "nowhere.invalid"
"""What no certificate is for (RFC 6761 §6.4)."""

_EITHER = (common_pb2.SubjectAltNameMatcher.DNS, common_pb2.SubjectAltNameMatcher.URI)

_Chain: TypeAlias = listener_components_pb2.FilterChain
_Filters: TypeAlias = Iterable[listener_components_pb2.Filter]
_Validation: TypeAlias = tls_pb2.CommonTlsContext.CombinedCertificateValidationContext


class Among(NamedTuple):
    """A mesh as a listener knows it: its name, and the `server_names` that every SNI of the wire contract is of.

    In whatever version: which are accepted is for the gateways to say, and a peer may be newer than we are.
    """

    mesh: str
    snis: tuple[str, ...]


def between(said: Shown, among: Among, alpn: str, filters: _Filters) -> _Chain:
    """The chain for proxies of the mesh that speak what `alpn` of the mesh's own stands for."""
    name = _private(said.clients is not None)[alpn]
    match = listener_components_pb2.FilterChainMatch(
        transport_protocol="tls", application_protocols=[name], server_names=among.snis
    )
    members = tls.members(among.mesh) if said.clients is None else None
    socket = downstream(said, [name], members)
    return _Chain(name=name, filter_chain_match=match, transport_socket=socket, filters=list(filters))


def others(said: Shown, alpn: tuple[str, ...], filters: _Filters) -> Iterator[_Chain]:
    """The chains for all others, with these filters."""
    listed = list(filters)
    yield secured(said, alpn, listed)
    if said.plaintext:
        yield plaintext(listed)


def _private(asked: bool) -> Mapping[str, str]:  # noqa: FBT001 - whether the port asks for a certificate
    return BY_CERTIFICATE if asked else BY_MEMBERS


def secured(said: Shown, alpn: Iterable[str], filters: _Filters) -> _Chain:
    """The chain for TLS that no other is for."""
    match = listener_components_pb2.FilterChainMatch(transport_protocol="tls")
    return _Chain(
        name=SECURED, filter_chain_match=match, transport_socket=downstream(said, alpn), filters=list(filters)
    )


def plaintext(filters: _Filters) -> _Chain:
    """The chain for what is no TLS."""
    match = listener_components_pb2.FilterChainMatch(transport_protocol="raw_buffer")
    return _Chain(name=PLAIN, filter_chain_match=match, filters=list(filters))


def downstream(said: Shown, alpn: Iterable[str], members: _Validation | None = None) -> base_pb2.TransportSocket:
    """What a listener shows, and demands; of `members` where it says nothing itself."""
    certificates = (material.certificate(each, Half.SERVING) for each in said.certificates)
    common = _common(certificates, said.clients, Half.SERVING, alpn)
    if members is not None:
        common.combined_validation_context.CopyFrom(members)
    context = tls_pb2.DownstreamTlsContext(
        common_tls_context=common,
        require_client_certificate=BoolValue(value=said.clients is not None or members is not None),
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context))


def upstream(said: Calling, alpn: str) -> base_pb2.TransportSocket:
    """What a client shows a proxy, and demands of it. `alpn`: the mesh's own for what travels."""
    written = said.certificate is not None and said.asked
    offered = (_private(said.asked)[alpn], alpn)
    return _upstream(said, offered, None, _certificate(said) if written else tls.own_identity())


def without_proxy(said: Calling, alpn: str) -> cluster_pb2.Cluster.TransportSocketMatch:
    """The same for an endpoint without a proxy, by the name that it is found under."""
    out = _matching()
    out.transport_socket.CopyFrom(_upstream(said, SPOKEN[alpn], said.name, _certificate(said)))
    return out


def _matching() -> cluster_pb2.Cluster.TransportSocketMatch:
    match = Struct()
    match.fields["transport"].string_value = PLAINTEXT
    return cluster_pb2.Cluster.TransportSocketMatch(name=WITHOUT_PROXY, match=match)


_MATCHING = _matching().SerializeToString(deterministic=True)


def may_be_without_proxy(backend: Resource) -> bool:
    """Whether a proxy with this backend calls those of its endpoints so that have none; the socket comes after it."""
    return _MATCHING in backend.body


def _certificate(said: Calling) -> secret_pb2.SdsSecretConfig | None:
    return None if said.certificate is None else material.certificate(said.certificate, Half.CALLING)


def _upstream(
    said: Calling, alpn: Iterable[str], sni: str | None, shown: secret_pb2.SdsSecretConfig | None
) -> base_pb2.TransportSocket:
    """Each endpoint's hostname is the SNI where none is said."""
    certificates = () if shown is None else (shown,)
    context = tls_pb2.UpstreamTlsContext(
        common_tls_context=_common(certificates, said.server, Half.CALLING, alpn),
        max_session_keys=UInt32Value(value=0),
    )
    if sni is None:
        context.auto_host_sni = True
    else:
        context.sni = sni
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context))


def _common(
    certificates: Iterable[secret_pb2.SdsSecretConfig], demanded: Demand | None, half: Half, alpn: Iterable[str]
) -> tls_pb2.CommonTlsContext:
    out = tls_pb2.CommonTlsContext(alpn_protocols=alpn)
    out.tls_params.tls_minimum_protocol_version = common_pb2.TlsParameters.TLSv1_2
    out.tls_params.tls_maximum_protocol_version = common_pb2.TlsParameters.TLSv1_3
    out.tls_certificate_sds_secret_configs.extend(certificates)
    if demanded is not None and demanded.trust is not None:
        validation = out.combined_validation_context
        validation.validation_context_sds_secret_config.CopyFrom(material.roots(demanded.trust, half))
        validation.default_validation_context.SetInParent()
        validation.default_validation_context.match_typed_subject_alt_names.extend(_sans(demanded))
    return out


def _sans(demanded: Demand) -> Iterator[common_pb2.SubjectAltNameMatcher]:
    """Names in DNS or as URIs; an empty name is one that nobody has, and so is a pattern that RE2 does not take."""
    for name in demanded.names:
        pattern = wildcard(name) if demanded.wild and "*" in name else None
        if pattern is not None:
            yield _matcher(_EITHER[0], string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=pattern)))
        else:
            for kind in _EITHER:
                yield _matcher(kind, string_pb2.StringMatcher(exact=name or _NOWHERE))


def _matcher(kind: int, matcher: string_pb2.StringMatcher) -> common_pb2.SubjectAltNameMatcher:
    return common_pb2.SubjectAltNameMatcher(san_type=kind, matcher=matcher)
