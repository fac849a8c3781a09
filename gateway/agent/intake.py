"""intake: what a hub sends, message by message: checked, kept, applied, and refused in words where it fails a check.

A refusal changes nothing: what was held before goes on being served, and the hub shows the reason to the tenant.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from gateway.agent.ca import Authority
from gateway.agent.cluster import Cluster
from gateway.agent.finishing import finished
from gateway.agent.offers import Refused, accept, good
from gateway.agent.state import State
from gateway.edge.lines import line
from gateway.proto import link_pb2 as link
from isthmus.errors import Invalid, Unavailable
from isthmus.pki.bundle import Bundle
from isthmus.pki.chain import Untrusted
from isthmus.values import TrustDomain
from isthmus.xds.snapshot import Resource

LOG = logging.getLogger("isthmus.agent.link")
Answers = Sequence[link.FromAgent]


class Intake:
    """What one stream brings. `bodies`: every resource that the hub may take us to hold while the stream lasts."""

    def __init__(self, cluster: Cluster, state: State, authority: Authority, clock: Callable[[], datetime]) -> None:
        self._cluster, self._state, self._authority, self._clock = cluster, state, authority, clock
        meshes = cluster.world.meshes.values()
        self.bodies: dict[str, Resource] = {v: r for mesh in meshes for v, r in mesh.resources.items()}

    async def take(self, message: link.FromHub) -> Answers:
        """Act on one message; what is to be answered. What we do not know is left alone (design §7)."""
        match message.WhichOneof("body"):
            case "offer":
                return await self._refusing(message.offer.position, self._offer(message.offer))
            case "trust":
                return await self._refusing(message.trust.position, self._trust(message.trust))
            case "imports":
                return await self._refusing(message.imports.position, self._imports(message.imports))
            case "certificates":
                await self._certificates(message.certificates)
            case "withdraw":
                await self._withdraw(message.withdraw)
            case "intermediate":
                await self._intermediate(message.intermediate)
            case "debug":
                answer = link.DebugAnswer(id=message.debug.id, error="this agent knows no such question")
                return [link.FromAgent(debug=answer)]
        return ()

    async def _refusing(self, position: link.Position, act: Awaitable[None]) -> Answers:
        """Only a definition has somebody who waits for the answer."""
        try:
            await act
        except Refused as refused:
            facts = {"mesh": position.mesh, "version": position.version, "resource": refused.resource}
            LOG.error(line("refused", lane=link.Lane.Name(position.lane), **facts, why=refused.reason))  # noqa: TRY400
            said = link.Refusal(position=position, resource=refused.resource, reason=refused.reason)
            return [link.FromAgent(refusal=said)] if position.lane == link.DEFINITION else []
        return ()

    async def _offer(self, offer: link.Offer) -> None:
        held = dict(self.bodies)
        self.bodies |= good(offer.bodies)
        mesh = accept(offer, held)
        self._cluster.check(mesh)
        await finished(self._state.definition, mesh)
        self._cluster.offered(mesh)
        at = mesh.position
        facts = {"revision": at.generation, "phase": mesh.phase, "version": at.version, "sequence": at.sequence}
        LOG.info(line("offered", mesh=at.mesh, **facts))

    async def _trust(self, trust: link.Trust) -> None:
        """An empty trust would cut every connection, and no hub means that."""
        try:
            bundles = [Bundle.of_pem(TrustDomain(b.trust_domain), b.roots_pem) for b in trust.bundles]
        except (Invalid, Untrusted) as wrong:
            raise Refused("", f"a bundle cannot be used: {wrong}") from wrong
        if not any(bundle.roots for bundle in bundles):
            raise Refused("", "trust without a root would end every connection")
        await finished(self._state.trust, trust)
        self._cluster.trusted(trust)
        LOG.info(line("trust", domains=len(bundles), version=trust.position.version))

    async def _imports(self, imports: link.Imports) -> None:
        _checked_id(imports.position.mesh)
        await finished(self._state.imports, imports)
        self._cluster.imported(imports)
        at = imports.position
        LOG.info(line("imports", mesh=at.mesh, peers=len(imports.peers), version=at.version))

    async def _certificates(self, certificates: link.Certificates) -> None:
        await finished(self._state.certificates, certificates)
        self._cluster.certified(certificates)
        held, version = len(certificates.certificates), certificates.position.version
        LOG.info(line("certificates", held=held, authorities=len(certificates.authorities), version=version))

    async def _withdraw(self, withdraw: link.Withdraw) -> None:
        if withdraw.mesh in self._cluster.world.meshes:
            await finished(self._state.withdraw, withdraw.mesh)
            self._cluster.withdrawn(withdraw.mesh)
            LOG.info(line("withdrawn", mesh=withdraw.mesh))

    async def _intermediate(self, answer: link.IntermediateCertificate) -> None:
        try:
            held = await finished(self._authority.accept, answer, self._clock())
        except (Unavailable, Untrusted) as wrong:
            LOG.error(line("intermediate_refused", why=wrong))  # noqa: TRY400 - the reason is in the line
            return
        place = replace(self._cluster.world.place, trust_domain=held.domain.text)
        await finished(self._state.place, place)
        self._cluster.placed(place)
        ends = held.certificate.not_valid_after_utc.isoformat()
        LOG.info(line("intermediate", domain=held.domain.text, expires=ends))


def _checked_id(mesh: str) -> None:
    try:
        UUID(mesh)
    except ValueError:
        raise Refused("", f"{mesh!r} is no mesh id") from None
