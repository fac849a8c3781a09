"""What waits for a certificate is left out with all that belongs to it, and nothing else is."""

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2

from isthmus.xds import names, secrets
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.withheld import ready
from tests.unit.xds.test_managed import OTHER, ROOT, A, B, backend, listener

SHOWN = secrets.certificate(A, b"chain a", b"key a")
BESIDE = secrets.certificate(B, b"chain b", b"key b")
TRUSTED = secrets.authority({ROOT: b"root", OTHER: b"other"}, (ROOT, OTHER))


def plain(kind: Type, name: str) -> Resource:
    body = listener_pb2.Listener(name=name).SerializeToString() if kind is Type.LISTENER else name.encode()
    return Resource(kind, name, body)


TABLE, SLOT = plain(Type.ROUTES, "ingress/443"), plain(Type.EXTENSION, "ingress/443/http/fence")
ELSEWHERE = [plain(Type.LISTENER, "ingress/80"), plain(Type.ROUTES, "ingress/80"), plain(Type.CLUSTER, "self/443")]


def test_a_listener_without_a_certificate_goes_with_its_routes_and_slots_alone() -> None:
    found = ready([listener(names.certificate(A)), TABLE, SLOT, *ELSEWHERE], [])
    assert (found.view, found.secrets, found.withheld) == (ELSEWHERE, [], ("ingress/443",))


def test_it_is_there_with_its_certificate() -> None:
    view = [listener(names.certificate(A)), TABLE, SLOT, *ELSEWHERE]
    assert ready(view, [SHOWN]) == (view, [SHOWN], ())


def test_one_of_several_certificates_stands_in_for_those_that_are_to_come() -> None:
    view = [listener(names.certificate(A), names.certificate(B))]
    found = ready(view, [BESIDE])
    named = {secret.name: secret_pb2.Secret.FromString(secret.body) for secret in found.secrets}
    assert (found.view, found.withheld) == (view, ())
    for name in map(names.certificate, (A, B)):
        shown = named[name].tls_certificate
        assert (named[name].name, shown.certificate_chain.inline_bytes) == (name, b"chain b")
    assert ready(view, [SHOWN, BESIDE]).secrets == [SHOWN, BESIDE]


def test_an_authority_has_no_stand_in() -> None:
    made = backend(ROOT, OTHER)
    assert ready([made, *ELSEWHERE], []).view == ELSEWHERE
    assert ready([made], [secrets.authority({ROOT: b"root"}, (ROOT,))]).withheld == (made.name,)
    assert ready([made], [TRUSTED]) == ([made], [TRUSTED], ())


def test_what_nobody_names_is_not_given() -> None:
    assert ready(ELSEWHERE, [SHOWN, TRUSTED]) == (ELSEWHERE, [], ())


def test_the_roots_of_several_authorities_are_one_secret() -> None:
    roots = secret_pb2.Secret.FromString(TRUSTED.body).validation_context.trusted_ca.inline_bytes
    assert roots == b"root\nother\n"
    with pytest.raises(ValueError, match="would let everybody pass"):
        secrets.authority({ROOT: b""}, ())


def port(*chains: tuple[str, str]) -> Resource:
    """A port with a chain for each (name, secret), and one of the mesh's own, which needs none."""
    made = listener_pb2.Listener(name="inbound/80")
    made.filter_chains.add(name="isthmus-h2")
    for name, secret in chains:
        context = tls_pb2.DownstreamTlsContext()
        context.common_tls_context.tls_certificate_sds_secret_configs.add(name=secret)
        made.filter_chains.add(name=name).transport_socket.typed_config.Pack(context)
    return Resource(Type.LISTENER, "inbound/80", made.SerializeToString(deterministic=True))


def test_what_of_a_port_needs_no_certificate_is_there_without_it() -> None:
    made = port(("app-mesh-h2", names.certificate(A)), ("app-mesh", names.certificate(B)))
    found = ready([made], [BESIDE])
    (left,) = found.view
    chains = listener_pb2.Listener.FromString(left.body).filter_chains
    assert ([chain.name for chain in chains], found.secrets) == (["isthmus-h2", "app-mesh"], [BESIDE])
    assert found.withheld == ("inbound/80",)
    assert ready([made], [BESIDE], whole=True) == ([], [], ("inbound/80",))
    assert ready([made], [SHOWN, BESIDE], whole=True).view == [made]


def test_a_backend_goes_on_in_the_meshs_own_tls_and_never_in_plaintext() -> None:
    made = cluster_pb2.Cluster(name="node/blue/80")
    made.transport_socket.typed_config.Pack(tls_pb2.UpstreamTlsContext())
    context = tls_pb2.UpstreamTlsContext()
    context.common_tls_context.combined_validation_context.validation_context_sds_secret_config.name = names.authority(
        ROOT
    )
    made.transport_socket_matches.add(name="without-proxy").transport_socket.typed_config.Pack(context)
    resource = Resource(Type.CLUSTER, made.name, made.SerializeToString(deterministic=True))
    (left,) = ready([resource], []).view
    said = cluster_pb2.Cluster.FromString(left.body)
    assert (len(said.transport_socket_matches), said.transport_socket) == (0, made.transport_socket)
    assert ready([resource], [], whole=True).view == []
