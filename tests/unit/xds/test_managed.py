"""Which managed secrets a resource names is read off the resource, wherever in it they stand."""

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2

from isthmus.xds import names
from isthmus.xds.managed import arns_of, secrets_of
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import ADS, packed

A, B = (f"arn:aws:acm:eu-west-1:111122223333:certificate/{each}" for each in "ab")
ROOT, OTHER = (f"arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/{each}" for each in "rs")


def asking(name: str) -> secret_pb2.SdsSecretConfig:
    return secret_pb2.SdsSecretConfig(name=name, sds_config=ADS)


def listener(*secrets: str) -> Resource:
    context = tls_pb2.DownstreamTlsContext()
    context.common_tls_context.tls_certificate_sds_secret_configs.extend(map(asking, secrets))
    out = listener_pb2.Listener(name="ingress/443")
    out.filter_chains.add().transport_socket.typed_config.CopyFrom(packed(context))
    return Resource(Type.LISTENER, out.name, out.SerializeToString(deterministic=True))


def backend(*roots: str) -> Resource:
    context = tls_pb2.UpstreamTlsContext()
    combined = context.common_tls_context.combined_validation_context
    combined.validation_context_sds_secret_config.CopyFrom(asking(names.authority(*roots)))
    out = cluster_pb2.Cluster(name="node/blue/443")
    out.transport_socket_matches.add(name="tls").transport_socket.typed_config.CopyFrom(packed(context))
    return Resource(Type.CLUSTER, out.name, out.SerializeToString(deterministic=True))


def test_a_listener_names_what_it_shows_and_not_the_identity_of_its_proxy() -> None:
    made = listener(names.certificate(A), names.IDENTITY, names.certificate(B))
    assert secrets_of(made) == {names.certificate(A), names.certificate(B)}
    assert arns_of(made) == {A, B}


def test_a_backend_names_all_whom_it_trusts_in_one_secret() -> None:
    made = backend(ROOT, OTHER)
    assert secrets_of(made) == {names.authority(ROOT, OTHER)}
    assert arns_of(made) == {ROOT, OTHER}


def test_a_resource_that_only_contains_the_word_names_nothing() -> None:
    said = listener_pb2.Listener(name="certificate/x", stat_prefix=names.certificate(A))
    assert secrets_of(Resource(Type.LISTENER, said.name, said.SerializeToString())) == frozenset()


@pytest.mark.parametrize("arns", [(A,), ("odd/%2F/arn",)])
def test_a_secrets_name_leads_back_to_its_arn(arns: tuple[str, ...]) -> None:
    assert names.managed(names.certificate(arns[0])) == (names.CERTIFICATE, arns)
    assert names.managed(names.authority(*arns, A)) == (names.AUTHORITY, (*arns, A))


@pytest.mark.parametrize("name", [names.IDENTITY, names.BUNDLE, names.CERTIFICATE, "node/a/80"])
def test_other_secrets_are_not_managed(name: str) -> None:
    assert names.managed(name) is None
