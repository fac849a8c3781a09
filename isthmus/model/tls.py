"""tls: certificates and trust, as App Mesh writes them for virtual nodes and gateways.

App Mesh has each shape twice, for nodes and for gateways, equal in every limit; we have it once, under the node's name.
Which strings may be empty App Mesh's model does not say; a name of a certificate that is empty names nothing.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from isthmus.errors import Violation
from isthmus.model.structure import Items, Many, Maybe, Name, Port, Structure, Union


def _empty(text: str, pointer: str) -> Iterator[Violation]:
    if not text:
        yield Violation(pointer, "too_short", "must not be empty")


class ListenerTlsFileCertificate(Structure):
    """A certificate in files on the proxy's host."""

    certificate_chain: Name
    private_key: Name


class ListenerTlsSdsCertificate(Structure):
    """A certificate served by the tenant's own SDS."""

    secret_name: str

    def violations(self) -> Iterator[Violation]:
        return _empty(self.secret_name, "/secretName")


class ListenerTlsAcmCertificate(Structure):
    """A certificate in AWS Certificate Manager."""

    certificate_arn: str

    def violations(self) -> Iterator[Violation]:
        return _empty(self.certificate_arn, "/certificateArn")


class ListenerTlsCertificate(Union):
    """What a listener shows."""

    acm: Maybe[ListenerTlsAcmCertificate] = None
    file: Maybe[ListenerTlsFileCertificate] = None
    sds: Maybe[ListenerTlsSdsCertificate] = None


class ClientTlsCertificate(Union):
    """What a client shows; App Mesh has no ACM here."""

    file: Maybe[ListenerTlsFileCertificate] = None
    sds: Maybe[ListenerTlsSdsCertificate] = None


class TlsValidationContextAcmTrust(Structure):
    """Trust in private authorities of AWS."""

    certificate_authority_arns: Annotated[Many[str], Items(1, 3)]

    def violations(self) -> Iterator[Violation]:
        for i, arn in enumerate(self.certificate_authority_arns):
            yield from _empty(arn, f"/certificateAuthorityArns/{i}")


class TlsValidationContextFileTrust(Structure):
    """Trust in the authorities of a file."""

    certificate_chain: Name


class TlsValidationContextSdsTrust(Structure):
    """Trust in the authorities of a secret that the tenant's own SDS serves."""

    secret_name: str

    def violations(self) -> Iterator[Violation]:
        return _empty(self.secret_name, "/secretName")


class TlsValidationContextTrust(Union):
    """Whom a client trusts."""

    acm: Maybe[TlsValidationContextAcmTrust] = None
    file: Maybe[TlsValidationContextFileTrust] = None
    sds: Maybe[TlsValidationContextSdsTrust] = None


class ListenerTlsValidationContextTrust(Union):
    """Whom a listener trusts; App Mesh has no ACM here."""

    file: Maybe[TlsValidationContextFileTrust] = None
    sds: Maybe[TlsValidationContextSdsTrust] = None


class SubjectAlternativeNameMatchers(Structure):
    """The names one of which the peer's certificate must carry."""

    exact: Many[Annotated[str, Field(min_length=1, max_length=254)]]


class SubjectAlternativeNames(Structure):
    """Which names the peer's certificate must carry."""

    match: SubjectAlternativeNameMatchers


class TlsValidationContext(Structure):
    """How a client validates its server."""

    subject_alternative_names: Maybe[SubjectAlternativeNames] = None
    trust: TlsValidationContextTrust


class ListenerTlsValidationContext(Structure):
    """How a listener validates its clients."""

    subject_alternative_names: Maybe[SubjectAlternativeNames] = None
    trust: ListenerTlsValidationContextTrust


class ListenerTls(Structure):
    """TLS of a listener."""

    certificate: ListenerTlsCertificate
    mode: Literal["STRICT", "PERMISSIVE", "DISABLED"]
    validation: Maybe[ListenerTlsValidationContext] = None


class ClientPolicyTls(Structure):
    """TLS of a client; no ports means all ports."""

    certificate: Maybe[ClientTlsCertificate] = None
    enforce: Maybe[bool] = None
    ports: Maybe[Many[Port]] = None
    validation: TlsValidationContext


class ClientPolicy(Structure):
    """What a client demands of its backends."""

    tls: Maybe[ClientPolicyTls] = None


class BackendDefaults(Structure):
    """What a client demands of backends that say nothing themselves."""

    client_policy: Maybe[ClientPolicy] = None
