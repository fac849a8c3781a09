"""template: what a certificate is to say, as a value, and the one place that writes it as X.509.

A template is complete: whoever signs adds nothing but the signature, so a local key, a KMS and a private CA that signs
whole certificates stand behind the same `Signer`. Extensions follow RFC 5280 §4.2 and SPIFFE X.509-SVID §4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PublicKey = ec.EllipticCurvePublicKey
PrivateKey = ec.EllipticCurvePrivateKey

_ORGANISATION = "Isthmus"
_NAME_LIMIT = 64  # ub-common-name, RFC 5280 appendix A.1


@dataclass(frozen=True, slots=True)
class Template:
    """One certificate to be signed. `issuer` None means signed by its own key; times are aware and whole seconds."""

    public_key: PublicKey
    serial: int
    not_before: datetime
    not_after: datetime
    issuer: x509.Certificate | None = None
    common_name: str = ""  # empty: an empty subject, and the SAN becomes critical
    uris: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # DNS names and IP addresses
    path_length: int | None = None  # not None: a CA
    server: bool = False
    client: bool = False


def build(template: Template, key: PrivateKey) -> x509.Certificate:
    """The template under a signature of `key`, which may be any object that signs as cryptography's keys do."""
    subject = _subject(template)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(template.issuer.subject if template.issuer else subject)
        .public_key(template.public_key)
        .serial_number(template.serial)
        .not_valid_before(template.not_before)
        .not_valid_after(template.not_after)
    )
    for extension, critical in _extensions(template):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA384() if key.curve.key_size > 256 else hashes.SHA256())  # noqa: PLR2004 - P-256


def _subject(template: Template) -> x509.Name:
    """A CA's subject holds its serial too, so that two CAs of one name are never mistaken for each other."""
    if not template.common_name:
        return x509.Name([])
    parts = [(NameOID.ORGANIZATION_NAME, _ORGANISATION), (NameOID.COMMON_NAME, template.common_name[:_NAME_LIMIT])]
    if template.path_length is not None:
        parts.append((NameOID.SERIAL_NUMBER, f"{template.serial:x}"))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _extensions(template: Template) -> Sequence[tuple[x509.ExtensionType, bool]]:
    ca = template.path_length is not None
    subject_key = x509.SubjectKeyIdentifier.from_public_key(template.public_key)
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca, template.path_length), True),
        (_key_usage(ca=ca), True),
        (subject_key, False),
        (_authority_key(template.issuer, subject_key), False),
    ]
    purposes = [
        oid
        for wanted, oid in (
            (template.server, ExtendedKeyUsageOID.SERVER_AUTH),
            (template.client, ExtendedKeyUsageOID.CLIENT_AUTH),
        )
        if wanted
    ]
    if purposes:
        found.append((x509.ExtendedKeyUsage(purposes), False))
    if template.uris or template.names:
        found.append((_alternative_names(template), not template.common_name))
    return found


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key(issuer: x509.Certificate | None, own: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    if issuer is None:
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    held = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(held)


def _alternative_names(template: Template) -> x509.SubjectAlternativeName:
    uris = [x509.UniformResourceIdentifier(uri) for uri in template.uris]
    return x509.SubjectAlternativeName([*uris, *(_host_name(name) for name in template.names)])


def _host_name(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
