"""managed: the managed certificates and authorities that the hub has sent, as the secrets of the proxies that ask.

What cannot be used is left out, with a line in the log: Envoy would refuse it, and the others must not wait for it.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives import serialization

from gateway.edge.lines import line
from gateway.proto import link_pb2 as link
from isthmus.pki.chain import parse_pem
from isthmus.xds import names, secrets
from isthmus.xds.challenges import Challenge
from isthmus.xds.snapshot import Resource

LOG = logging.getLogger("isthmus.agent.link")


@dataclass(frozen=True, slots=True, eq=False)
class Managed:
    """By ARN: `shown` the secrets of certificates, `roots` those of authorities as PEM."""

    position: link.Position | None = None
    shown: Mapping[str, Resource] = field(default_factory=dict)
    roots: Mapping[str, bytes] = field(default_factory=dict)
    challenges: tuple[Challenge, ...] = ()

    @classmethod
    def of(cls, said: link.Certificates) -> Self:
        """What can be used of a message."""
        shown = {c.arn: secrets.certificate(c.arn, c.chain_pem, c.key_pem) for c in said.certificates if _pair(c)}
        roots = {a.arn: a.roots_pem for a in said.authorities if _roots(a)}
        posed = tuple(Challenge(c.domain, c.token, c.answer) for c in said.challenges)
        return cls(said.position, shown, roots, posed)

    def secrets(self, wanted: Iterable[str]) -> tuple[Resource, ...]:
        """Of the managed secrets with these names, those that are there."""
        found = (self._secret(name) for name in sorted(wanted))
        return tuple(secret for secret in found if secret is not None)

    def _secret(self, name: str) -> Resource | None:
        family, arns = names.managed(name) or ("", ())
        if family == names.CERTIFICATE:
            return self.shown.get(arns[0])
        known = bool(arns) and all(arn in self.roots for arn in arns)
        return secrets.authority(self.roots, arns) if known else None


NOTHING = Managed()


def _pair(said: link.ManagedCertificate) -> bool:
    try:
        leaf = parse_pem(said.chain_pem)[0].public_key()
        own = serialization.load_pem_private_key(said.key_pem, None, unsafe_skip_rsa_key_validation=True).public_key()
    except Exception as wrong:  # noqa: BLE001 - whatever a parser says of it
        LOG.error(line("certificate_unusable", arn=said.arn, why=wrong))  # noqa: TRY400 - the reason is in the line
        return False
    if leaf != own:
        LOG.error(line("certificate_unusable", arn=said.arn, why="its key is another one's"))
    return leaf == own


def _roots(said: link.ManagedAuthority) -> bool:
    try:
        parse_pem(said.roots_pem)
    except Exception as wrong:  # noqa: BLE001 - as above
        LOG.error(line("authority_unusable", arn=said.arn, why=wrong))  # noqa: TRY400 - as above
        return False
    return True
