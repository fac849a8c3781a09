"""secrets: keys and trust as Envoy reads them: the mesh's own, and managed certificates and authorities by ARN.

The mesh's trust bundle is one set of roots per trust domain, never merged (design §8): with merged roots any cluster's
agent could sign for every other; the SPIFFE validator picks the roots by the domain that the certificate claims. During
a rotation a domain has an old and a new root side by side.
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
    return _shown(names.IDENTITY, chain_pem, key_pem)


def certificate(arn: str, chain_pem: bytes, key_pem: bytes) -> Resource:
    """A managed certificate: what a listener shows."""
    return _shown(names.certificate(arn), chain_pem, key_pem)


def authority(roots_by_arn: Mapping[str, bytes], arns: Sequence[str]) -> Resource:
    """The roots (PEM) of managed authorities in one secret. ValueError for none: a context without roots trusts all."""
    roots = b"".join(_ended(roots_by_arn[arn]) for arn in arns)
    if not roots:
        raise ValueError("an authority without a root would let everybody pass")
    secret = secret_pb2.Secret(name=names.authority(*arns))
    secret.validation_context.trusted_ca.inline_bytes = roots
    return Resource(Type.SECRET, secret.name, secret.SerializeToString(deterministic=True))


def standing_in(shown: Resource, name: str) -> Resource:
    """The same certificate under the name of another, which is not there yet."""
    secret = secret_pb2.Secret.FromString(shown.body)
    secret.name = name
    return Resource(Type.SECRET, name, secret.SerializeToString(deterministic=True))


def _shown(name: str, chain_pem: bytes, key_pem: bytes) -> Resource:
    pair = common_pb2.TlsCertificate()
    pair.certificate_chain.inline_bytes = chain_pem
    pair.private_key.inline_bytes = key_pem
    secret = secret_pb2.Secret(name=name, tls_certificate=pair)
    return Resource(Type.SECRET, name, secret.SerializeToString(deterministic=True))


def _ended(pem: bytes) -> bytes:
    """Two certificates on one line are none."""
    return pem if pem.endswith(b"\n") else pem + b"\n"
