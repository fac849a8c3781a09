"""read_back: what a secret holds, read back: for a client that takes files instead of SDS."""

from collections.abc import Mapping
from typing import NamedTuple

from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_spiffe_validator_config_pb2

from isthmus.xds.snapshot import Resource


class Pair(NamedTuple):
    """A certificate with its chain, and its key, both PEM."""

    chain: bytes
    key: bytes


def pair(identity: Resource) -> Pair:
    """The inverse of `secrets.identity`."""
    said = secret_pb2.Secret.FromString(identity.body).tls_certificate
    return Pair(said.certificate_chain.inline_bytes, said.private_key.inline_bytes)


def roots(bundle: Resource) -> Mapping[str, bytes]:
    """The inverse of `secrets.bundle`: trust domain → its roots as PEM."""
    custom = secret_pb2.Secret.FromString(bundle.body).validation_context.custom_validator_config
    said = tls_spiffe_validator_config_pb2.SPIFFECertValidatorConfig.FromString(custom.typed_config.value)
    return {domain.name: domain.trust_bundle.inline_string.encode() for domain in said.trust_domains}
