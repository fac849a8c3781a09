"""presented: the link CA of a hub, believed because the operator pinned it."""

from datetime import datetime

from cryptography import x509

from gateway.agent.credential import base_of
from gateway.edge.presented import presented
from isthmus.pki import link_ca, path, verify


def pinned_ca(address: str, pin: str, now: datetime) -> x509.Certificate:
    """The link CA of the hub at host:port, if it is the pinned one and signed the certificate shown. Blocks.

    Untrusted if the chain lacks that CA, does not lead to it, or if it is no link CA; Unavailable without an answer.
    """
    shown = presented(address)
    found = link_ca.pinned(shown, pin)
    verify.link_authority(found, base_of(found), now=now)
    path.leads([c for c in shown if c != found] or shown, [found], now)
    return found
