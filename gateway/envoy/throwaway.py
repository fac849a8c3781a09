"""throwaway: certificates that stand in for material which is there where the proxies run, and not here.

Everything that a TLS context would be told later is put into it, so that Envoy validates the whole: files that can be
read as they are, and for others, for the tenant's own SDS and for what the control plane manages, a certificate made
here. Identities and bundles stay as they are: they are always there, and ours.
"""

import datetime as dt
import os
from collections.abc import Iterator
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2

from isthmus.xds import names

_LIFE = dt.timedelta(days=1)


def inlined(context: tls_pb2.CommonTlsContext) -> Iterator[str]:
    """Put into a context what it would be told later; what was replaced by something else, a sentence each."""
    told = [each for each in context.tls_certificate_sds_secret_configs if _is_later(each)]
    if told:
        del context.tls_certificate_sds_secret_configs[:]
    for each in told:
        pair = context.tls_certificates.add()
        paths = _readable(each)
        if paths:
            pair.certificate_chain.filename, pair.private_key.filename = paths
        else:
            pair.certificate_chain.inline_bytes, pair.private_key.inline_bytes = _pair()
            yield f"certificate {_called(each)}: a throwaway one"
    combined = context.combined_validation_context
    roots = combined.validation_context_sds_secret_config
    if _is_later(roots):
        validation = common_pb2.CertificateValidationContext()
        validation.CopyFrom(combined.default_validation_context)
        paths = _readable(roots)
        if paths:
            (validation.trusted_ca.filename,) = paths
        else:
            validation.trusted_ca.inline_bytes = _pair()[0]
            yield f"trust in {_called(roots)}: in a throwaway authority"
        context.validation_context.CopyFrom(validation)


def _is_later(secret: secret_pb2.SdsSecretConfig) -> bool:
    return bool(secret.name) and (_is_tenants(secret) or names.paths(secret.name) != () or _arns(secret) != ())


def _is_tenants(secret: secret_pb2.SdsSecretConfig) -> bool:
    return not secret.sds_config.HasField("ads")


def _arns(secret: secret_pb2.SdsSecretConfig) -> tuple[str, ...]:
    found = names.managed(secret.name)
    return found[1] if found else ()


def _readable(secret: secret_pb2.SdsSecretConfig) -> tuple[str, ...]:
    """The files of a secret, if all of them can be read here."""
    paths = () if _is_tenants(secret) else names.paths(secret.name)
    return paths if all(os.access(path, os.R_OK) for path in paths) else ()


def _called(secret: secret_pb2.SdsSecretConfig) -> str:
    """A secret as the tenant calls it."""
    if _is_tenants(secret):
        return f"{secret.name} of SDS"
    return ", ".join(names.paths(secret.name) or _arns(secret))


@cache
def _pair() -> tuple[bytes, bytes]:
    """A certificate that signs itself, and its key, as PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "throwaway.invalid")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(now + _LIFE)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return made.public_bytes(pem), key.private_bytes(pem, private, plain)
