"""secrets: the trust bundle as Envoy reads it: one set of roots per trust domain, never merged (design §8).

With merged roots any cluster's agent could sign for every other; the SPIFFE validator picks the roots by the domain
that the certificate claims. During a rotation a domain has an old and a new root side by side.
"""

from collections.abc import Mapping, Sequence

from envoy.extensions.transport_sockets.tls.v3 import (
    common_pb2,
    secret_pb2,
    tls_spiffe_validator_config_pb2,
)

from isthmus.xds import names
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import packed


def bundle(domains: Mapping[str, Sequence[bytes]]) -> Resource:
    """The `bundle` secret: trust domain → its roots as PEM. ValueError if there is none, which Envoy would refuse."""
    if not domains:
        raise ValueError("a bundle without a trust domain trusts nobody")
    validator = tls_spiffe_validator_config_pb2.SPIFFECertValidatorConfig()
    for domain in sorted(domains):
        trusted = validator.trust_domains.add(name=domain)
        trusted.trust_bundle.inline_string = b"".join(_ended(pem) for pem in domains[domain]).decode("ascii")
    secret = secret_pb2.Secret(name=names.BUNDLE)
    custom = secret.validation_context.custom_validator_config
    custom.name = "envoy.tls.cert_validator.spiffe"
    custom.typed_config.CopyFrom(packed(validator))
    return Resource(Type.SECRET, names.BUNDLE, secret.SerializeToString(deterministic=True))


def identity(chain_pem: bytes, key_pem: bytes) -> Resource:
    """The `identity` secret of one proxy: its leaf, then the intermediate, and its private key."""
    certificate = common_pb2.TlsCertificate()
    certificate.certificate_chain.inline_bytes = chain_pem
    certificate.private_key.inline_bytes = key_pem
    secret = secret_pb2.Secret(name=names.IDENTITY, tls_certificate=certificate)
    return Resource(Type.SECRET, names.IDENTITY, secret.SerializeToString(deterministic=True))


def _ended(pem: bytes) -> bytes:
    """Two certificates on one line are none."""
    return pem if pem.endswith(b"\n") else pem + b"\n"
