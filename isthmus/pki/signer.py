"""signer: who may sign, without saying where the key lies.

`issue` takes the whole template and not a digest, because a private CA (AWS Private CA) signs certificates and never
digests; whoever holds a key that signs digests builds the certificate over it (`KeySigner`, KMS).
"""

from dataclasses import dataclass
from typing import Protocol

from cryptography import x509

from isthmus.pki.template import PrivateKey, PublicKey, Template, build


class Signer(Protocol):
    """Signs templates. May raise `isthmus.errors.Unavailable` where the key lies elsewhere."""

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this signs."""
        ...

    def issue(self, template: Template) -> x509.Certificate:
        """The certificate that says what the template says, and nothing else."""
        ...


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Signs with a key in memory: an agent's intermediate, or a root unsealed for one use."""

    key: PrivateKey

    @property
    def public_key(self) -> PublicKey:
        """The key's public half."""
        return self.key.public_key()

    def issue(self, template: Template) -> x509.Certificate:
        """Build and sign."""
        return build(template, self.key)

    def __repr__(self) -> str:
        return "KeySigner(…)"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA at work: its certificate and whoever signs in its name."""

    signer: Signer
    certificate: x509.Certificate
