"""verifier: who can say whose a signature is. The secrets are the control plane's, so an agent has to ask."""

from typing import Protocol

from isthmus.sigv4 import Claim


class Verifier(Protocol):
    """A way to ask."""

    async def account(self, claim: Claim, to_sign: str) -> str:
        """The account (12 digits) whose key signed `to_sign`; sigv4.Refused if none, Unavailable if nobody can say."""
        ...
