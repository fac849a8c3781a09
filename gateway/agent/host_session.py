"""host_session: one warden's stream: what its proxies are to have, their leaves, and what it says of them.

States are complete and bodies travel once, so a change costs the host references and whatever content is new. A warden
speaks for the proxies of its own host and for no others, whatever it says.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from gateway.agent.ca import Authority
from gateway.agent.cluster import Cluster
from gateway.agent.plans import Plan
from gateway.edge.lines import line
from gateway.proto import host_pb2 as host
from isthmus.errors import Denied, IsthmusError
from isthmus.pki import chain, csr

LOG = logging.getLogger("isthmus.agent.host")


_EARLY = 10_000
"""Reports of proxies that are not known to be of this host: more is a fault, and must not become our memory."""


class HostSession:
    """One stream of host `name`. `number` tells its reports from those of an earlier stream; `expires`: its proof."""

    def __init__(
        self,
        name: str,
        number: int,
        expires: datetime,
        cluster: Cluster,
        authority: Authority,
        clock: Callable[[], datetime],
        agents: tuple[str, ...],
    ) -> None:
        self._name, self._number, self._expires = name, number, expires
        self._cluster, self._authority, self._clock, self._agents = cluster, authority, clock, agents
        self._known: set[str] = set()
        self._sent: tuple[Plan, ...] | None = None
        self._answers: deque[host.FromHostAgent] = deque()
        self._early: dict[str, host.ProxyReport] = {}
        self._greeted = self._over = False

    async def listen(self, requests: AsyncIterator[host.FromWarden], wake: asyncio.Event) -> None:
        """Everything that the warden says, until it hangs up; `wake` is set whenever there may be something to say."""
        try:
            async for message in requests:
                await self._hear(message)
                wake.set()
        finally:
            self._over = True
            wake.set()

    async def _hear(self, message: host.FromWarden) -> None:
        match message.WhichOneof("body"):
            case "hello":
                self._known, self._greeted = set(message.hello.resources), True
                LOG.info(line("warden_up", host=self._name, version=message.hello.version))
            case "report":
                self._report(message.report)
            case "leaf":
                self._answers.append(host.FromHostAgent(leaf=await self._leaf(message.leaf)))
            case "renewal":
                await self._renew(message.renewal)

    async def speak(self, wake: asyncio.Event) -> AsyncIterator[host.FromHostAgent]:
        """Answers as they are ready, and after Hello the host's states whenever they change."""
        while not self._over:
            wake.clear()
            while self._answers:
                yield self._answers.popleft()
            plans = self._cluster.settled.hosts.get(self._name, ())
            if self._greeted and not _same(plans, self._sent):
                self._sent = plans
                yield host.FromHostAgent(states=self._states(plans))
                self._replay()
            else:
                await wake.wait()

    def _states(self, plans: tuple[Plan, ...]) -> host.ProxyStates:
        out = host.ProxyStates(proxies=[plan.state for plan in plans])
        for plan in plans:
            for version, resource in plan.resources.items():
                if version not in self._known:
                    self._known.add(version)
                    out.bodies.add(version=version, type=resource.type, name=resource.name, body=resource.body)
        return out

    def _report(self, report: host.ProxyReport) -> None:
        """A report of a proxy that is not of this host, or not yet, waits for the composition that has it."""
        plan = self._cluster.settled.composition.plans.get(report.proxy)
        if plan is None or plan.host != self._name:
            if len(self._early) < _EARLY:
                self._early[report.proxy] = report
            return
        self._early.pop(report.proxy, None)
        for nack in report.nacks:
            facts = {"proxy": report.proxy, "type": nack.type, "name": nack.name, "version": nack.version}
            LOG.warning(line("nack", host=self._name, **facts, message=nack.message))
        self._cluster.reported(self._number, report)

    def _replay(self) -> None:
        for report in list(self._early.values()):
            self._report(report)

    async def _leaf(self, request: host.LeafRequest) -> host.Leaf:
        """A leaf for a proxy of this host that is bound here, or why not."""
        try:
            identity = self._identity(request.proxy)
            key = csr.parse(request.csr_der)
            made = await asyncio.to_thread(self._authority.leaf, identity, key, self._clock())
        except IsthmusError as refused:
            LOG.warning(line("leaf_refused", host=self._name, proxy=request.proxy, why=refused))
            return host.Leaf(proxy=request.proxy, refused=str(refused))
        LOG.info(line("leaf", host=self._name, proxy=request.proxy, id=identity))
        return host.Leaf(proxy=request.proxy, chain_pem=made)

    def _identity(self, proxy: str) -> str:
        if self._clock() >= self._expires:
            raise Denied("the certificate of this host has expired")
        plan = self._cluster.settled.composition.plans.get(proxy)
        if plan is None or plan.host != self._name:
            raise Denied(f"host {self._name} has no proxy {proxy} that is bound here")
        if not plan.state.identity:
            raise Denied(f"{proxy} is an east-west gateway, which holds no key")
        return plan.state.identity

    async def _renew(self, request: host.HostRenewal) -> None:
        """A new certificate for the same host, while the old one is good."""
        try:
            if self._clock() >= self._expires:
                raise Denied("the certificate of this host has expired")
            key = csr.parse(request.csr_der)
            made = await asyncio.to_thread(self._authority.host, self._name, key, self._clock())
        except IsthmusError as refused:
            LOG.warning(line("host_renewal_refused", host=self._name, why=refused))
            return
        self._expires = chain.parse_pem(made)[0].not_valid_after_utc
        renewed = certificate(self._authority, made, self._name, self._agents)
        self._answers.append(host.FromHostAgent(renewed=renewed))
        LOG.info(line("host_renewed", host=self._name, expires=self._expires.isoformat()))


def _same(plans: tuple[Plan, ...], sent: tuple[Plan, ...] | None) -> bool:
    """Plans are replaced, never changed, so looking at which they are is enough."""
    return sent is not None and list(map(id, plans)) == list(map(id, sent))


def certificate(authority: Authority, made: bytes, name: str, agents: tuple[str, ...]) -> host.HostCertificate:
    """A host's certificate as the warden gets it."""
    assert authority.held is not None, "it has just signed"
    return host.HostCertificate(chain_pem=made, root_pem=chain.to_pem([authority.held.root]), host=name, agents=agents)
