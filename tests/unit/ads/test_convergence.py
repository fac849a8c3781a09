"""Whatever happens in whatever order, an Envoy ends with what is wanted, and nothing it needed is taken on the way."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from isthmus.xds import sotw
from isthmus.xds.ads import Session
from isthmus.xds.snapshot import Resource, Type
from tests.unit.ads.model import CDS, EDS, LDS, RDS, Envoy
from tests.unit.ads.older import Older
from tests.unit.ads.speaking import BAD, cluster, endpoints, listener, routes, world

NAMES = [f"node/n{n}/80" for n in range(10)] + ["node/n1/8080", "node/n"]
MARKS = st.sampled_from(["1", "1", "2", "2", "3", BAD])


@st.composite
def worlds(draw: st.DrawFn) -> list[Resource]:
    """Consistent: routes refer to clusters that are there, each EDS cluster has endpoints, routes have a listener."""
    out: list[Resource] = []
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=len(NAMES)))
    for name in names:
        eds = draw(st.booleans())
        out.append(cluster(name, draw(MARKS), eds=eds))
        if eds:
            out.append(endpoints(name, draw(MARKS)))
    for table in draw(st.lists(st.sampled_from(["r", "s", "t"]), unique=True)):
        targets = draw(st.lists(st.sampled_from(names), max_size=3)) if names else []
        out += [listener(f"to-{table}", table, draw(MARKS)), routes(table, targets, draw(MARKS))]
    return out


class Stream(RuleBasedStateMachine):
    """One Envoy on one stream after another."""

    session: Session | sotw.Session
    model = Envoy

    @initialize(first=worlds())
    def start(self, first: list[Resource]) -> None:
        self.envoy = self.model()
        self.wanted = first
        self._connect()

    def _connect(self) -> None:
        self.session = self._opened(self.session if hasattr(self, "session") else None)
        self.session.update(world(*self.wanted))
        self.envoy.connect()

    def _opened(self, before: Any) -> Session | sotw.Session:  # noqa: ANN401 - one of the same kind
        return Session(["1.40"], before.doubts if before else ())

    @rule(to=worlds())
    def change(self, to: list[Resource]) -> None:
        self.wanted = to
        self.session.update(world(*to))

    @rule()
    def push(self) -> None:
        self.envoy.inbox.extend(self.session.pending())

    @precondition(lambda self: self.envoy.outbox)
    @rule(at_once=st.booleans())
    def hear(self, *, at_once: bool) -> None:
        self.session.receive(self.envoy.outbox.popleft())
        if at_once:
            self.push()

    @precondition(lambda self: self.envoy.inbox)
    @rule()
    def tell(self) -> None:
        self.envoy.process()

    @rule()
    def reconnect(self) -> None:
        self._connect()

    def _quiet(self) -> None:
        for _ in range(2_000):
            self.envoy.inbox.extend(self.session.pending())
            if self.envoy.outbox:
                self.session.receive(self.envoy.outbox.popleft())
            elif self.envoy.inbox:
                self.envoy.process()
            else:
                return
        raise AssertionError("it never becomes quiet")

    def teardown(self) -> None:
        if not hasattr(self, "envoy"):
            return
        self._quiet()
        if any(BAD.encode() in r.body for r in self.wanted):
            self._check_refusals()
            self.wanted = [r for r in self.wanted if BAD.encode() not in r.body]
            present = {r.name for r in self.wanted if r.type == CDS}
            self.wanted = [r for r in self.wanted if r.type not in (EDS, RDS) or self._whole(r, present)]
            self.wanted = self._with_routes(self.wanted)
            self.session.update(world(*self.wanted))
            self._quiet()
        self._check_held()

    def _whole(self, resource: Resource, clusters: set[str]) -> bool:
        return resource.type != EDS or resource.name in clusters

    def _with_routes(self, wanted: list[Resource]) -> list[Resource]:
        """Routes and endpoints whose bad version went away are there in a good one: nothing dangles."""
        clusters = [r.name for r in wanted if r.type == CDS]
        has = {(r.type, r.name) for r in wanted}
        tables = {r.name.removeprefix("to-") for r in wanted if r.type == LDS}
        kept = [r for r in wanted if r.type != RDS]
        kept += [routes(t, clusters[:2], "mended") for t in sorted(tables)]
        return kept + [endpoints(c, "mended") for c in clusters if (EDS, c) not in has]

    def _check_refusals(self) -> None:
        refused = {(n.type, n.name) for n in self.session.nacks}
        bad = {(r.type, r.name) for r in self.wanted if BAD.encode() in r.body}
        assert refused <= bad, "something good is said to be refused"
        assert {b for b in bad if b[0] in (CDS, LDS)} <= refused, "something bad is not said to be refused"
        for resource in self.wanted:
            if resource.type in (CDS, LDS) and (resource.type, resource.name) not in bad and resource.type == CDS:
                assert self.envoy.live[CDS].get(resource.name) == resource.body, f"{resource.name} waits for a bad one"

    def _check_held(self) -> None:
        assert self.session.nacks == ()
        assert not self.envoy.warming, f"{self.envoy.warming} wait 15 s for endpoints that nobody sends"
        eds = {r.name for r in self.wanted if r.type == EDS}
        for kind in (CDS, LDS, RDS):
            assert self.envoy.live[kind] == {r.name: r.body for r in self.wanted if r.type == kind}, kind
        used = self.envoy.live[EDS].keys()
        assert self.envoy.live[EDS] == {r.name: r.body for r in self.wanted if r.type == EDS and r.name in used}
        assert used <= eds
        proof = [r.ref for r in self.wanted if r.type in (CDS, LDS, RDS)]
        assert self.session.proven(proof)


class TestConvergence(Stream.TestCase):  # type: ignore[misc,valid-type]
    """Every run ends with quiet and a comparison."""

    settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


class OlderStream(Stream):
    """The same on state-of-the-world streams."""

    model = Older

    def _opened(self, before: Any) -> sotw.Session:  # noqa: ANN401
        return sotw.Session(["1.40"], before.held if before else None)

    def _quiet(self) -> None:
        """A cluster whose endpoints are refused as they are warms until Envoy gives up: 15 s, in which CDS stands."""
        super()._quiet()
        refused = {n.name for n in self.session.nacks if n.type == EDS}
        if self.envoy.warming & refused:
            self.envoy.give_up(refused)
            self._quiet()


class TestOlderConvergence(OlderStream.TestCase):  # type: ignore[misc,valid-type]
    """Every run ends with quiet and a comparison."""

    settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_the_model_knows_the_types_it_checks() -> None:
    assert {CDS, EDS, LDS, RDS} < set(Type)
