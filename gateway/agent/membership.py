"""membership: this replica's place on the link, from joining to every renewal.

Joining waits for a hub that answers and gives up only when one refuses: then the token is spent, expired or forged, and
a person has to act. Renewal begins at half-life and goes on for 30 days after the end, so a long outage strands nobody.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from gateway.agent import enrol
from gateway.agent.credential import Credential
from gateway.edge import backoff
from gateway.edge.keys import due
from gateway.edge.lines import line
from isthmus.errors import Denied, Unavailable
from isthmus.pki.link_ca import fingerprint
from isthmus.values import Secret

LOG = logging.getLogger("isthmus.agent.enrolment")
_LOOK_SECONDS = 60.0
"""At most so long asleep: a suspended machine must not sleep over its renewal."""


class Membership:
    """The credential in use. `renewed` is set whenever there is a new one."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path, self._clock = path, clock
        self.renewed = asyncio.Event()
        self.held = Credential.load(path)

    @property
    def credential(self) -> Credential:
        """The credential; `join` or a former life has made one."""
        assert self.held is not None, "an agent joins before it does anything else"
        return self.held

    async def join(self, hubs: Sequence[str], pin: str, token: Secret, replica: str) -> None:
        """Spend the token at the first hub that answers: Denied if it refuses, Untrusted if it is not the pinned."""
        failures = 0
        while self.held is None:
            hub = hubs[failures % len(hubs)]
            try:
                made = await enrol.join(hub, pin, token, replica, self._clock())
            except Unavailable as error:
                failures += 1
                LOG.warning(line("join_failed", hub=hub, why=error))
                await asyncio.sleep(backoff.seconds(failures, backoff.spread()))
                continue
            self._keep(made.with_hubs(hubs))
            LOG.info(line("joined", hub=hub, cluster=made.cluster, org=made.org, replica=made.agent.replica))

    def dial(self, hubs: Sequence[str]) -> None:
        """Use these enrolment addresses from now on: an operator has moved them."""
        if hubs and tuple(hubs) != self.credential.hubs:
            self._keep(self.credential.with_hubs(hubs))

    async def run(self) -> None:
        """Renew whenever it is time, until cancelled."""
        failures = 0
        spread = backoff.spread()
        while True:
            wait = (due(self.credential.certificate, spread) - self._clock()).total_seconds()
            if self.credential.next_key is None and self.credential.links and wait > 0:
                await asyncio.sleep(min(wait, _LOOK_SECONDS))
                continue
            if await self._renew(failures):
                failures, spread = 0, backoff.spread()
            else:
                failures += 1
                all_tried = failures > len(self.credential.hubs)
                await asyncio.sleep(backoff.seconds(failures, backoff.spread(), refused=all_tried))

    async def _renew(self, failures: int) -> bool:
        """One attempt; whether it succeeded."""
        begun = enrol.begin_renewal(self.credential)
        if begun is not self.held:
            self._keep(begun)
        hub = begun.hubs[failures % len(begun.hubs)]
        try:
            made = await enrol.renew(begun, hub, self._clock())
        except (Denied, Unavailable) as error:
            lost = begun.lost(self._clock())
            LOG.warning(line("renewal_failed", hub=hub, why=error, join_again=lost))
            return False
        self._keep(made)
        self.renewed.set()
        LOG.info(line("renewed", hub=hub, expires=made.certificate.not_valid_after_utc.isoformat()))
        return True

    def _keep(self, credential: Credential) -> None:
        credential.save(self._path)
        self.held = credential
        LOG.debug(line("credential_kept", link_ca=fingerprint(credential.link_ca)))
