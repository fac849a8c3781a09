"""Secrets: one set of roots per trust domain, never merged."""

import pytest
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_spiffe_validator_config_pb2

from isthmus.xds import secrets


def test_each_trust_domain_keeps_its_own_roots() -> None:
    made = secrets.bundle({"b.example": [b"old", b"new\n"], "a.example": [b"root"]})
    secret = secret_pb2.Secret.FromString(made.body)
    packed = secret.validation_context.custom_validator_config.typed_config.value
    found = tls_spiffe_validator_config_pb2.SPIFFECertValidatorConfig.FromString(packed)
    roots = [(d.name, d.trust_bundle.inline_string) for d in found.trust_domains]
    assert roots == [("a.example", "root\n"), ("b.example", "old\nnew\n")]


def test_a_bundle_of_nobody_is_no_bundle() -> None:
    with pytest.raises(ValueError, match="trusts nobody"):
        secrets.bundle({})
