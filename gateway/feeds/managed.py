"""managed: the certificates that a cluster may have: those that what it is offered names, and no others.

A key is unsealed only to go to an agent of its own org, whose cluster serves a listener that shows it. One that does
not open is left out and logged: the others must not wait for it.
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from gateway.feeds.messages import certificates_of
from gateway.proto import link_pb2 as link
from isthmus.adapters.sealer import Unsealable
from isthmus.store import tables
from isthmus.store.access_keys import Sealer
from isthmus.store.acme import Challenges
from isthmus.store.certificates import Certificates, sealing_context
from isthmus.store.deliveries import Deliveries
from isthmus.store.managed_authorities import ManagedAuthorities
from isthmus.values import AgentId

LOG = logging.getLogger(__name__)


def managed(session: Session, sealer: Sealer, agent: AgentId, at: datetime) -> link.Certificates:
    """Everything of it, whole. In a session of the agent's org."""
    arns = Deliveries.managed_of_all(session, agent.org, agent.cluster)
    issued = Certificates(session, agent.org).issued(arns) if arns else ()
    trusted = ManagedAuthorities(session, agent.org).of(arns) if arns else ()
    return certificates_of(list(_opened(sealer, issued)), trusted, Challenges(session, agent.org).all(), at)


def _opened(sealer: Sealer, rows: Iterable[tables.Certificate]) -> Iterator[tuple[tables.Certificate, bytes]]:
    for row in rows:
        assert row.sealed_key is not None, "what is issued has a key"
        try:
            yield row, sealer.open(row.sealed_key, sealing_context(row.org_id, row.id))
        except Unsealable as sealed:
            LOG.error("the key of %s does not open: %s", row.arn, sealed)  # noqa: TRY400 - the reason is in the line
