"""signers: whose key made a signature, for agents of that key's own org alone. No secret leaves this process."""

from sqlalchemy.orm import Session

from gateway.hub.signatures import unknown_key
from isthmus.adapters.sealer import Unsealable
from isthmus.errors import Unavailable
from isthmus.sigv4 import Claim, Mismatch, holds
from isthmus.store import access_keys
from isthmus.values import AgentId


def signer(session: Session, sealer: access_keys.Sealer, agent: AgentId, claim: Claim, to_sign: str) -> str:
    """The account whose active key signed `to_sign`. In a session without an org.

    UnknownKey, the same for a key that is another org's; Mismatch; Unavailable for a secret that does not open, because
    that is the installation's fault and says nothing about the client. Reads only: it waits for no agent's reports.
    """
    try:
        found = access_keys.verify(session, claim.key, sealer)
    except Unsealable as sealed:
        raise Unavailable(f"the secret of {claim.key} does not open: {sealed}") from sealed
    if found is None or found.org != agent.org:
        raise unknown_key()
    if not holds(found.secret, claim, to_sign):
        raise Mismatch
    return found.account
