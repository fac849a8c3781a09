"""watching: one Envoy's stream as the agent counts it: its plan, what it has acknowledged, what it refuses.

A warden does the same for its proxies, and says it over the wire.
"""

import logging
from collections.abc import Callable

from gateway.agent.aws_image.dialects import Session
from gateway.agent.cluster import Cluster
from gateway.agent.inventory import Workload
from gateway.agent.plans import Image, Plan
from gateway.edge.lines import line
from gateway.proto.host_pb2 import ProxyReport
from isthmus.errors import Conflict
from isthmus.xds.snapshot import Type
from isthmus.xds.subscription import Wanted

LOG = logging.getLogger("isthmus.agent.aws_image")


class Watched:
    """`number`: under which it is reported."""

    def __init__(self, cluster: Cluster, work: Workload, envoy: str, number: int, clock: Callable[[], float]) -> None:
        self._cluster, self._work, self._number, self._clock = cluster, work, number, clock
        self._reported = ProxyReport(proxy=work.instance.name, connected=True, envoy=envoy)
        self.plan: Plan | None = None

    def look(self) -> bool:
        """Take up what is settled: whether there is a new plan. Conflict if there is none any more."""
        composition, name = self._cluster.settled.composition, self._work.instance.name
        plan = composition.plans.get(name)
        taken = composition.images.get(name)
        if taken is None or taken[1:] != self._work[1:]:
            return False  # nothing has been settled since it came
        if plan is None or not isinstance(plan.recipe, Image):
            raise Conflict(composition.left_out.get(name, "nothing is known of it any more"))
        before, self.plan = self.plan, plan
        return before is not plan

    def wanted(self) -> dict[tuple[Type, str], Wanted]:
        """All that it is to have."""
        assert self.plan is not None, "there is a plan once `look` has said so"
        refs, bodies = self.plan.state.refs, self.plan.resources
        return {(Type(r.type), r.name): Wanted(r.version, bodies[r.version].body) for r in refs}

    def report(self, session: Session) -> None:
        """Tell the agent what has changed."""
        assert self.plan is not None, "there is a plan once `look` has said so"
        before, target = self._reported, self.plan.target
        now = ProxyReport(proxy=before.proxy, connected=True, envoy=before.envoy)
        now.acked, now.acked_at = before.acked, before.acked_at
        if now.acked != target.definition and session.proven(target.proven):
            now.acked, now.acked_at = target.definition, self._clock()
        for nack in session.nacks:
            now.nacks.add(type=nack.type, name=nack.name, version=nack.version, message=nack.message)
        if now != before:
            self._reported = now
            self._log(before)
            self._cluster.reported(self._number, now)

    def _log(self, before: ProxyReport) -> None:
        for nack in self._reported.nacks:
            if nack not in before.nacks:
                facts = {"proxy": before.proxy, "type": nack.type, "name": nack.name, "version": nack.version}
                LOG.warning(line("nack", **facts, message=nack.message))
